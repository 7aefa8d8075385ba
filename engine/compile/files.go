package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Bounds of a script of several files. Together they have MaxSourceBytes at most.
const (
	MaxFiles = 500
	maxPath  = 200 // bytes
)

// DefaultMain is the file whose default export is the script, where none is named.
const DefaultMain = "index.ts"

var filePath = regexp.MustCompile(`^[A-Za-z0-9_@$+()\[\]~=!, -][A-Za-z0-9._@$+()\[\]~=!, -]*(/[A-Za-z0-9_@$+()\[\]~=!, -][A-Za-z0-9._@$+()\[\]~=!, -]*)*$`)

// CheckFiles says what is wrong with the names and the number of files; empty: nothing is.
func CheckFiles(files map[string]string, main string) string {
	if len(files) == 0 || len(files) > MaxFiles {
		return fmt.Sprintf("1 to %d files, not %d", MaxFiles, len(files))
	}
	total := 0
	for name, text := range files {
		if len(name) > maxPath || !filePath.MatchString(name) {
			return fmt.Sprintf("%.80q is no file's name: a relative path of at most %d characters whose segments begin with no dot", name, maxPath)
		}
		total += len(text)
	}
	if total > MaxSourceBytes {
		return fmt.Sprintf("%d bytes together, of at most %d", total, MaxSourceBytes)
	}
	if _, ok := files[main]; !ok {
		return fmt.Sprintf("main names %.80q, which is none of them", main)
	}
	return ""
}

// fileLoaders are how files are read, by the ends of their names. Others are text.
var fileLoaders = map[string]api.Loader{
	".ts": api.LoaderTS, ".mts": api.LoaderTS, ".cts": api.LoaderTS, ".tsx": api.LoaderTSX, ".js": api.LoaderJSX, ".mjs": api.LoaderJSX, ".cjs": api.LoaderJSX,
	".jsx": api.LoaderJSX, ".json": api.LoaderJSON,
}

// fileEnds are what an import may leave out of a file's name, in the order in which they are tried.
var fileEnds = []string{"", ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".cjs", ".json", "/index.ts", "/index.tsx", "/index.js"}

// flatten makes one ES module of the files, with a source map that names them. What it does not find is left to import() and require where it
// runs; an import statement of it is an error.
func flatten(files map[string]string, main string) (string, []Diagnostic, error) {
	unresolved := false
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{main}, Bundle: true, Format: api.FormatESModule, Platform: api.PlatformNeutral, Target: api.ESNext,
		Sourcemap: api.SourceMapInline, SourcesContent: api.SourcesContentExclude, Outfile: "/bundle.js", TsconfigRaw: "{}", AbsWorkingDir: "/",
		Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone, LogLevel: api.LogLevelSilent,
		Plugins: []api.Plugin{{Name: Module, Setup: func(p api.PluginBuild) {
			p.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
				found, err := resolveFile(files, main, args)
				unresolved = unresolved || len(found.Errors) > 0
				return found, err
			})
			p.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
				name := strings.TrimPrefix(args.Path, "/")
				text, ok := files[name]
				if !ok {
					return api.OnLoadResult{}, errors.New("files of the machine cannot be imported")
				}
				loader, ok := fileLoaders[path.Ext(name)]
				if !ok {
					loader = api.LoaderText
				}
				return api.OnLoadResult{Contents: &text, Loader: loader, ResolveDir: nowhere}, nil
			})
		}}},
	})
	if len(result.Errors) > 0 {
		return "", nil, &Error{Diagnostics: diagnostics(result.Errors), Unresolved: unresolved}
	}
	return string(result.OutputFiles[0].Contents), diagnostics(result.Warnings), nil
}

// resolveFile finds the file that another one imports. Modules of the runtime are left to the second step.
func resolveFile(files map[string]string, main string, args api.OnResolveArgs) (api.OnResolveResult, error) {
	if args.Kind == api.ResolveEntryPoint {
		return api.OnResolveResult{Path: "/" + main}, nil
	}
	if inWorker[args.Path] != "" || nodeFile(args.Path, args.Kind, false) != "" {
		return api.OnResolveResult{Path: args.Path, External: true}, nil
	}
	if strings.HasPrefix(args.Path, "./") || strings.HasPrefix(args.Path, "../") || args.Path == "." || args.Path == ".." {
		name := path.Join(path.Dir(strings.TrimPrefix(args.Importer, "/")), args.Path) // one that leaves the folder begins with .. and is no file
		names := []string{name}
		if ts, ok := strings.CutSuffix(name, ".js"); ok { // as TypeScript has it
			names = append(names, ts+".ts", ts+".tsx")
		}
		for _, name := range names {
			for _, end := range fileEnds {
				if _, ok := files[name+end]; ok {
					return api.OnResolveResult{Path: "/" + name + end}, nil
				}
			}
		}
	}
	switch args.Kind {
	case api.ResolveJSDynamicImport, api.ResolveJSRequireCall, api.ResolveJSRequireResolve:
		return api.OnResolveResult{Path: args.Path, External: true}, nil
	}
	text := fmt.Sprintf("cannot import %q: it is none of the script's files, and neither %q nor a module of Node that the runtime has: %s; bundle npm packages before upload", args.Path, Module, nodeNames())
	return api.OnResolveResult{Errors: []api.Message{{Text: text}}}, nil
}

// canonical is the files as one text, for their hash.
func canonical(files map[string]string, main string) string {
	text, _ := json.Marshal(struct {
		Main  string
		Files map[string]string // in the order of their names
	}{main, files})
	return string(text)
}

// checkFiles checks each file as a source.
func checkFiles(files map[string]string, main string) error {
	if wrong := CheckFiles(files, main); wrong != "" {
		return refuse("", 0, wrong)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var refused *Error
		if err := check(files[name]); errors.As(err, &refused) {
			for i := range refused.Diagnostics {
				refused.Diagnostics[i].File = name
			}
			return refused
		}
	}
	return nil
}
