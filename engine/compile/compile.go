package compile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/google/uuid"

	"example.com/jsruntime/engine/internal/sourcemap"
)

// Bounds in bytes.
const (
	MaxSourceBytes   = 1 << 20
	MaxCompiledBytes = 4 << 20 // what a wire frame holds beside it
)

// Module is the one name that a script may import.
const Module = "jsruntime"

// The wrapper, of an async function where the source has a top-level await. It adds no line before the compiled text's own, and esbuild
// counts it in the source map.
const (
	wrapperPrefix = `(function` + wrapperHead
	asyncPrefix   = `(async function` + wrapperHead
	wrapperHead   = `(module,exports,require,` + metaName + `,` + importName + `,` + requireName + `,` + importedName + `,` + importedLong + `){"use strict";`
	wrapperSuffix = `})`
	// Parameters of the wrapper beside those of CommonJS: import.meta, import() and require() of patterns, and what esbuild calls for an
	// import() that it has not resolved, by names as long as its own.
	metaName     = "__jsruntime_meta"
	importName   = "__jsruntime_import"
	requireName  = "__jsruntime_require"
	importedName = "import$"
	importedLong = "__import$"
)

// Input is what is compiled.
type Input struct {
	Source string
	// Handler is the handler that the script's type requires: fetch, scheduled, event or run. A default export that is a function
	// is taken for it.
	Handler string
	// Tenant is whose turn it takes; the zero UUID is a tenant like others.
	Tenant uuid.UUID `json:"-"`
}

// Output is a compiled script. It is immutable and may be shared.
type Output struct {
	Compiled  string   // see doc.go
	SourceMap string   // of Compiled, as package sourcemap packs it; empty where there is none
	SHA256    string   // of the source, hex
	Handlers  []string // seen in the default export, in the order of fetch, scheduled, event, run
	Open      bool     // the default export could not be seen through: Handlers may lack some
	Warnings  []Diagnostic
}

// Missing reports whether the script certainly has no such handler.
func (o *Output) Missing(handler string) bool {
	return !o.Open && !slices.Contains(o.Handlers, handler)
}

// Diagnostic is one message about a place in the source. Line and Column count from 1; Column counts characters.
type Diagnostic struct {
	Line    int
	Column  int
	Message string
}

// Error says why a source was refused. It has at least one diagnostic, the first is the first in the source's order.
type Error struct {
	Diagnostics []Diagnostic
}

func (e *Error) Error() string {
	d := e.Diagnostics[0]
	return fmt.Sprintf("source:%d:%d: %s", d.Line, d.Column, d.Message)
}

// maxDiagnostics bounds the diagnostics of an Error; the first ones help most.
const maxDiagnostics = 20

func refuse(source string, at int, message string) error {
	return &Error{Diagnostics: []Diagnostic{diagnosticAt(source, at, message)}}
}

func diagnosticAt(source string, at int, message string) Diagnostic {
	before := source[:at]
	line := strings.Count(before, "\n") + 1
	return Diagnostic{Line: line, Column: utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1, Message: message}
}

// Compile compiles in this process, without a cache. Hostile sources can exhaust its stack: servers use a Compiler.
func Compile(_ context.Context, in Input) (*Output, error) {
	if err := check(in.Source); err != nil {
		return nil, err
	}
	result := build(in.Source)
	if len(result.Errors) > 0 {
		return nil, &Error{Diagnostics: diagnostics(result.Errors)}
	}
	out := &Output{SHA256: in.hash()}
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			out.SourceMap = sourcemap.Pack(string(f.Contents), sourceFile)
		} else {
			out.Compiled = nameImports(strings.TrimSuffix(string(f.Contents), "\n"))
		}
	}
	if len(out.Compiled) > MaxCompiledBytes {
		return nil, refuse(in.Source, 0, fmt.Sprintf("the compiled script, with the modules of Node that it imports, has %d bytes, the limit is %d", len(out.Compiled), MaxCompiledBytes))
	}
	out.Warnings = diagnostics(result.Warnings)
	out.Handlers, out.Open = handlers(out.Compiled, in.Handler)
	return out, nil
}

func (in *Input) hash() string {
	sum := sha256.Sum256([]byte(in.Source))
	return hex.EncodeToString(sum[:])
}

func check(source string) error {
	if len(source) > MaxSourceBytes {
		return refuse("", 0, fmt.Sprintf("the source has %d bytes, the limit is %d", len(source), MaxSourceBytes))
	}
	if at := strings.IndexByte(source, 0); at >= 0 {
		return refuse(source, at, "a NUL character is not allowed in a source")
	}
	if !utf8.ValidString(source) {
		at := 0
		for at < len(source) {
			r, n := utf8.DecodeRuneInString(source[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return refuse(source, at, "the source is not valid UTF-8")
	}
	return nil
}

func diagnostics(messages []api.Message) []Diagnostic {
	var out []Diagnostic
	for _, m := range messages {
		d := Diagnostic{Line: 1, Column: 1, Message: m.Text}
		if l := m.Location; l != nil {
			// esbuild's column counts bytes of the line from 0.
			d.Line = l.Line
			d.Column = utf8.RuneCountInString(l.LineText[:min(l.Column, len(l.LineText))]) + 1
		}
		out = append(out, d)
		if len(out) == maxDiagnostics {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return out
}
