package compile

import (
	"cmp"
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
	// Files, when there are any, are the source instead: path → text. Main is the one whose default export is the script.
	Files map[string]string
	Main  string
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
	File    string // of a script of several files; empty: the source
	Line    int
	Column  int
	Message string
}

// Error says why a source was refused. It has at least one diagnostic, the first is the first in the source's order.
type Error struct {
	Diagnostics []Diagnostic
	// Unresolved: files import what is neither among them nor of the runtime.
	Unresolved bool
}

func (e *Error) Error() string {
	d := e.Diagnostics[0]
	return fmt.Sprintf("%s: %s", d.Place(), d.Message)
}

// Place is source:LINE:COLUMN, or the file's name instead of source.
func (d Diagnostic) Place() string {
	return fmt.Sprintf("%s:%d:%d", cmp.Or(d.File, "source"), d.Line, d.Column)
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
	if err := in.check(); err != nil {
		return nil, err
	}
	source, warnings := in.Source, []Diagnostic(nil)
	if len(in.Files) > 0 {
		var err error
		if source, warnings, err = flatten(in.Files, in.Main); err != nil {
			return nil, err
		}
	}
	result := build(source)
	if len(result.Errors) > 0 {
		return nil, &Error{Diagnostics: in.placed(diagnostics(result.Errors))}
	}
	out := &Output{SHA256: in.Hash()}
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
	if out.Warnings = warnings; len(in.Files) == 0 {
		out.Warnings = in.placed(diagnostics(result.Warnings))
	}
	out.Handlers, out.Open = handlers(out.Compiled, in.Handler)
	return out, nil
}

// Hash is Output.SHA256 of the source, or of the files.
func (in *Input) Hash() string {
	sum := sha256.Sum256([]byte(in.text()))
	return hex.EncodeToString(sum[:])
}

// text is all of the source as one text.
func (in *Input) text() string {
	if len(in.Files) > 0 {
		return canonical(in.Files, in.Main)
	}
	return in.Source
}

func (in *Input) check() error {
	if len(in.Files) > 0 {
		return checkFiles(in.Files, in.Main)
	}
	return check(in.Source)
}

// placed names the file of diagnostics about the source. Those about flattened files are about the main one: their places are those of a text that no
// author has seen.
func (in *Input) placed(all []Diagnostic) []Diagnostic {
	for i := range all {
		if all[i].File = ""; len(in.Files) > 0 {
			all[i].File, all[i].Line, all[i].Column = in.Main, 1, 1
		}
	}
	return all
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
			d.File, d.Line = strings.TrimPrefix(l.File, "/"), l.Line
			d.Column = utf8.RuneCountInString(l.LineText[:min(l.Column, len(l.LineText))]) + 1
		}
		out = append(out, d)
		if len(out) == maxDiagnostics {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return out
}
