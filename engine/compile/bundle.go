package compile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// sourceFile names the source inside of source maps and messages of esbuild. Scripts' names may hold anything, so they are kept
// out of the compiled text.
const sourceFile = "source.ts"

// Namespaces of files that are not the author's: the two below, and those of nodelib.
const (
	ours = "jsruntime"
	node = "node"
)

// Files of ours in a bundle with a top-level await. esbuild makes no CommonJS of it, and an ES module cannot be a function's body: the
// entry hands over what the source exports, and a module that the worker has is required where it is first needed.
const (
	requiredFile = "required"
	entryFile    = "entry"
	entryText    = `export {}; import * as script from "` + sourceFile + `"; for (const name in script) { module.exports = script; break; }` + noMap
	moduleText   = `module.exports = require("%s");` + noMap
	// noMap keeps the positions of a file out of the source map: it maps the millionth column of the first line, and nothing else.
	noMap = "\n//# sourceMappingURL=data:application/json,{\"version\":3,\"sources\":[\"\"],\"mappings\":\"gkh9BAAA\"}"
)

// nowhere is a folder that does not exist, at any depth that a path with ".." may come out at: esbuild looks there for files of patterns.
var nowhere = strings.Repeat("/jsruntime", 64)

// loweredImport is what esbuild makes of an import(): the call of require in it is an import's and fails as one.
var loweredImport = regexp.MustCompile(`(Promise\.resolve\(\)\.then\(\(\) => __toESM\d*\()(__)?require\(`)

// nameImports gives an import() another function than require, by a name of the same length: the source map stays what it is.
func nameImports(compiled string) string {
	return loweredImport.ReplaceAllString(compiled, "${1}${2}"+strings.ReplaceAll(importedName, "$", "$$")+"(")
}

// bundle is one way to read a source.
type bundle struct {
	original string // the author's
	source   string // with other names for the functions of patterns: see patterns.go
	loader   api.Loader
	awaits   bool     // it has a top-level await
	required []string // modules of Node that the worker's require is to know: see requiredByBundlers
	define   map[string]string
	result   api.BuildResult
}

// build bundles a source as TypeScript, or as TypeScript with JSX.
func build(source string) *api.BuildResult {
	ts := bundled(source, api.LoaderTS)
	if plain := withoutMap(source); len(ts.Errors) > 0 && plain != source {
		// A source map that cannot be read is no fault of the program.
		if without := bundled(plain, api.LoaderTS); len(without.Errors) < len(ts.Errors) {
			source, ts = plain, without
		}
	}
	if len(ts.Errors) > 0 && strings.Contains(source, "</") {
		// JSX and TypeScript's <T>casts exclude each other; the latter are tried first, and their messages are the ones shown.
		if tsx := bundled(source, api.LoaderTSX); len(tsx.Errors) == 0 {
			return tsx
		}
	}
	return ts
}

// withoutMap is a source whose last line names no source map.
func withoutMap(source string) string {
	const comment = "//# sourceMappingURL="
	trimmed := strings.TrimRight(source, " \t\r\n")
	if at := strings.LastIndexByte(trimmed, '\n') + 1; strings.HasPrefix(trimmed[at:], comment) {
		return source[:at]
	}
	return source
}

// bundled calls esbuild, more than once where the source has a top-level await or imports of patterns.
func bundled(source string, loader api.Loader) *api.BuildResult {
	b := bundle{original: source, source: source, loader: loader, define: map[string]string{"import.meta": metaName}, required: requiredByBundlers(source)}
	for range maxPatternRounds {
		b.result = api.Build(b.options())
		renamed := b.renamePatterns()
		awaits := !b.awaits && slices.ContainsFunc(b.result.Errors, func(m api.Message) bool { return strings.HasPrefix(m.Text, "Top-level await") })
		b.awaits = b.awaits || awaits
		if !renamed && !awaits {
			break
		}
	}
	return &b.result
}

func (b *bundle) options() api.BuildOptions {
	o := api.BuildOptions{
		EntryPoints:    []string{sourceFile},
		Bundle:         true, // so that every import passes through resolve, with its place
		Format:         api.FormatCommonJS,
		Platform:       api.PlatformNeutral,
		Engines:        []api.Engine{{Name: api.EngineChrome, Version: "136"}}, // V8 13.6
		Supported:      map[string]bool{"dynamic-import": false},               // import(name) becomes a call of require
		Define:         b.define,
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		Banner:         map[string]string{"js": wrapperPrefix},
		Footer:         map[string]string{"js": wrapperSuffix},
		Outfile:        "/script.js",
		TsconfigRaw:    "{}", // none is looked for on disk
		AbsWorkingDir:  "/",  // nor is a working directory
		Charset:        api.CharsetUTF8,
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		LogOverride:    map[string]api.LogLevel{"commonjs-variable-in-esm": api.LogLevelSilent}, // the entry's, and an author knows
		Plugins:        []api.Plugin{{Name: Module, Setup: b.setup}},
	}
	if len(b.required) > 0 {
		o.Inject = []string{requiredFile}
	}
	if b.awaits {
		o.EntryPoints, o.Format, o.Banner = []string{entryFile}, api.FormatESModule, map[string]string{"js": asyncPrefix}
	}
	return o
}

// setup answers esbuild for files: nothing is read from disk.
func (b *bundle) setup(p api.PluginBuild) {
	p.OnResolve(api.OnResolveOptions{Filter: ".*"}, b.resolve)
	p.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: ours}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		text := fmt.Sprintf(moduleText, args.Path)
		switch args.Path {
		case entryFile:
			text = entryText
		case requiredFile:
			text = requiredText(b.required)
		}
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
	p.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: node}, loadNode)
	p.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		if args.Path == "/"+sourceFile {
			return api.OnLoadResult{Contents: &b.source, Loader: b.loader, ResolveDir: nowhere}, nil
		}
		return api.OnLoadResult{}, errors.New("files of the machine cannot be imported")
	})
}

// resolve lets a script import Module and the modules of Node that the runtime has. What import() and require ask for beside them fails
// where it runs, and the script can catch it; a static import is refused.
func (b *bundle) resolve(args api.OnResolveArgs) (api.OnResolveResult, error) {
	switch {
	case args.Kind == api.ResolveEntryPoint && args.Path == entryFile:
		return api.OnResolveResult{Path: entryFile, Namespace: ours}, nil
	case args.Kind == api.ResolveEntryPoint && args.Path == requiredFile:
		return api.OnResolveResult{Path: requiredFile, Namespace: ours}, nil
	case args.Kind == api.ResolveEntryPoint, args.Namespace == ours && args.Path == sourceFile:
		return api.OnResolveResult{Path: "/" + sourceFile}, nil
	}
	builtin := inWorker[args.Path]
	if args.Namespace == node && args.Path == inspectName {
		builtin = inspectName
	}
	if builtin != "" {
		if b.awaits && args.Kind == api.ResolveJSImportStatement {
			return api.OnResolveResult{Path: builtin, Namespace: ours}, nil
		}
		return api.OnResolveResult{Path: builtin, External: true}, nil
	}
	if file := nodeFile(args.Path, args.Kind, args.Namespace == node); file != "" && args.Kind != api.ResolveJSRequireResolve {
		return api.OnResolveResult{Path: file, Namespace: node, SideEffects: api.SideEffectsFalse}, nil
	}
	switch args.Kind {
	case api.ResolveJSDynamicImport, api.ResolveJSRequireCall, api.ResolveJSRequireResolve:
		return api.OnResolveResult{Path: args.Path, External: true}, nil
	}
	text := fmt.Sprintf("cannot import %q: only %q and these modules of Node can be imported: %s; bundle npm packages and other files before upload", args.Path, Module, nodeNames())
	return api.OnResolveResult{Errors: []api.Message{{Text: text}}}, nil
}
