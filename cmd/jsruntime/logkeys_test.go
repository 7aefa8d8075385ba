//go:build linux

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logKeys are the keys of the log, so that one search finds all lines about a thing. Durations end in _ms.
var logKeys = strings.Fields(`
	node_id tenant_id script_id execution_id comparison_id worker_pid request_id key_id
	outcome trigger error cause reason
	duration_ms took_ms wait_ms skew_ms quarantine_ms
	memory_bytes heap_limit_bytes memory_budget_bytes max_connections

	attempt attempts backlog binaries channel cut endpoints executions exit_code failures file host hop keys kind last_read layers line lines listen mark method network networks not_after
	jit tzdata_version v8_age_days v8_version zones
	bytes panic partition partitions pid pool port quota refused route rows schedules signal sqlstate stage status table tenants to unknown version
	secret_name url webhook_id
`)

// TestLogKeys reads the source of every call of a logger and compares its keys with logKeys.
func TestLogKeys(t *testing.T) {
	t.Parallel()
	// How many arguments come before the first key.
	before := map[string]int{
		"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Log": 3, "With": 0,
	}
	allowed := map[string]bool{}
	for _, key := range logKeys {
		allowed[key] = true
	}
	used := map[string]bool{}
	files := token.NewFileSet()
	check := func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		first, ok := before[method.Sel.Name]
		if !ok || !isLogger(method.X) || call.Ellipsis.IsValid() {
			return true
		}
		for i := first; i < len(call.Args); i += 2 {
			literal, ok := call.Args[i].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				t.Errorf("%s: a key of the log is not a literal", files.Position(call.Args[i].Pos()))
				continue
			}
			key, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			if used[key] = true; !allowed[key] {
				t.Errorf("%s: %q is not a key of the log; logKeys lists the keys", files.Position(literal.Pos()), key)
			}
		}
		return true
	}
	root := filepath.Join("..", "..")
	for _, room := range []string{"cmd", "engine", "httpapi", "migrations", "scheduler"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, check)
			return nil
		})
		require.NoError(t, err)
	}
	for _, key := range logKeys {
		require.True(t, used[key], "no line has the key %q", key)
	}
}

// isLogger reports whether an expression is a logger by its name: log, x.log, cfg.Log, cfg.Logger, logOf(…), or any of them With.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log" || x.Name == "slog"
	case *ast.SelectorExpr:
		return x.Sel.Name == "log" || x.Sel.Name == "Log" || x.Sel.Name == "Logger"
	case *ast.CallExpr:
		switch f := x.Fun.(type) {
		case *ast.SelectorExpr:
			return f.Sel.Name == "logOf" || f.Sel.Name == "With" && isLogger(f.X) || f.Sel.Name == "Default"
		case *ast.Ident:
			return f.Name == "newLogger"
		}
	}
	return false
}
