package problem_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/httpapi/problem"
)

// TestCodesAreOneList: each code that the node answers with is in the list with its status, and each one of the list is answered.
func TestCodesAreOneList(t *testing.T) {
	t.Parallel()
	statuses := map[string]int{
		"StatusBadRequest": 400, "StatusUnauthorized": 401, "StatusForbidden": 403, "StatusNotFound": 404, "StatusMethodNotAllowed": 405,
		"StatusRequestTimeout": 408, "StatusConflict": 409, "StatusPreconditionFailed": 412, "StatusRequestEntityTooLarge": 413,
		"StatusUnsupportedMediaType": 415, "StatusMisdirectedRequest": 421, "StatusExpectationFailed": 417, "StatusUnprocessableEntity": 422, "StatusTooManyRequests": 429,
		"StatusRequestHeaderFieldsTooLarge": 431, "StatusInternalServerError": 500, "StatusNotImplemented": 501, "StatusHTTPVersionNotSupported": 505,
		"StatusServiceUnavailable": 503, "StatusInsufficientStorage": 507, "StatusLoopDetected": 508,
	}
	used := map[string][]int{}
	calls := 0
	for _, dir := range []string{"..", ".", "../gateway", "../gateway/durable", "../idempotency", "../framing", "../../cmd/jsruntime"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
			require.NoError(t, err)
			ast.Inspect(parsed, func(n ast.Node) bool {
				code, status := answered(n)
				if code == nil {
					return true
				}
				calls++
				literal, ok := code.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				if statuses[status] == 0 { // one of several, decided where it stands
					used[text] = append(used[text], problem.Codes[text]...)
					require.Contains(t, problem.Codes, text, file)
					return true
				}
				used[text] = append(used[text], statuses[status])
				return true
			})
		}
	}
	require.Greater(t, calls, 60)
	for code, with := range used {
		require.Contains(t, problem.Codes, code, "add it to the list")
		for _, status := range with {
			require.Contains(t, problem.Codes[code], status, code)
		}
	}
	for _, code := range engine.Codes() {
		if code != engine.CodeNone {
			used[string(code)] = append(used[string(code)], problem.Status(code), problem.Invoked(code, "").Status)
			require.Contains(t, problem.Codes[string(code)], problem.Status(code), code)
			require.Contains(t, problem.Codes[string(code)], problem.Invoked(code, "").Status, code)
		}
	}
	for code, with := range problem.Codes {
		if slices.Contains(elsewhere, code) {
			continue
		}
		require.Contains(t, used, code, "nothing answers with it")
		for _, status := range with {
			require.Contains(t, used[code], status, code)
		}
	}
}

// answered returns the code of a problem that an expression makes, and the name of its status; nil where it makes none.
func answered(n ast.Node) (code ast.Expr, status string) {
	switch n := n.(type) {
	case *ast.CompositeLit: // a row of framing's refusals
		if len(n.Elts) == 3 && n.Type == nil && strings.HasPrefix(nameOf(n.Elts[0]), "Status") {
			return n.Elts[1], nameOf(n.Elts[0])
		}
	case *ast.CallExpr:
		switch name := nameOf(n.Fun); {
		case (name == "newProblem" || name == "New" || name == "problem") && len(n.Args) > 2:
			return n.Args[1], nameOf(n.Args[0])
		case name == "conflict" && len(n.Args) > 0:
			return n.Args[0], "StatusConflict"
		case name == "invalidCode" && len(n.Args) > 0:
			return n.Args[0], "StatusUnprocessableEntity"
		}
	}
	return nil, ""
}

// elsewhere are codes that no literal of these calls shows.
var elsewhere = []string{"memory_budget", "input_truncated", "input_not_kept"}

func nameOf(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

func TestEndings(t *testing.T) {
	t.Parallel()
	p := problem.Ended(engine.CodeExceededMemory, "a\x00b")
	require.Equal(t, 503, p.Status)
	require.Equal(t, "1", p.Header.Get("Retry-After"))
	require.Equal(t, "a\ufffdb", p.Detail)
	require.Equal(t, 500, problem.Ended(engine.CodeException, "").Status)
	require.Equal(t, 422, problem.Invoked(engine.CodeException, "").Status)
	require.Equal(t, 504, problem.Invoked(engine.CodeExceededWallTime, "").Status)
	refused := problem.Refused(&engine.RefusedError{Code: engine.CodeConcurrencyLimit})
	require.Equal(t, 429, refused.Status)
	require.Equal(t, "1", refused.Header.Get("Retry-After"))
	for status, refuses := range map[int]bool{200: false, 401: false, 404: false, 413: true, 422: false, 429: true, 500: false, 503: true} {
		require.Equal(t, refuses, problem.Refuses(status), status)
	}
}

// Each code is explained: a problem's type leads to the explanation.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	known := map[string]bool{
		"unresolved_import": true,                                             // chosen beside source_invalid
		"compile_queue":     true, "compile_time": true, "compile_wait": true, // limits of compile.BusyError
	}
	for code := range problem.Codes {
		known[code] = true
	}
	for _, code := range engine.Codes() {
		if code != engine.CodeNone {
			known[string(code)] = true
		}
	}
	for code := range known {
		e := problem.Explanations[code]
		require.NotEmpty(t, e.Cause, "%s has no explanation: add it to explain.go", code)
		require.NotEmpty(t, e.Cure, code)
	}
	for code := range problem.Explanations {
		require.True(t, known[code], "%s is explained and nothing answers with it", code)
	}
	require.Equal(t, "/docs/errors#busy", problem.New(503, "busy", "").Type)
}
