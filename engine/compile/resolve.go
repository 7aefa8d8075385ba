package compile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// dynamicPrefix marks what an import() asks for that is not in the upload: esbuild makes a call of require of it, and the worker's
// require then fails as an import() does.
const dynamicPrefix = "import:"

// resolve lets a script import Module, so that nothing is read from disk. What import() and require ask for beside it fails where it
// runs, and the script can catch it; a static import is refused.
func resolve(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if args.Path == Module {
			return api.OnResolveResult{Path: Module, External: true}, nil
		}
		switch args.Kind {
		case api.ResolveJSDynamicImport:
			return api.OnResolveResult{Path: dynamicPrefix + args.Path, External: true}, nil
		case api.ResolveJSRequireCall, api.ResolveJSRequireResolve:
			return api.OnResolveResult{Path: args.Path, External: true}, nil
		}
		text := fmt.Sprintf("cannot import %q: only %q can be imported; bundle npm packages and other files before upload", args.Path, Module)
		return api.OnResolveResult{Errors: []api.Message{{Text: text}}}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		return api.OnLoadResult{}, errors.New("files of the machine cannot be imported")
	})
}

// A call with a pattern, import(`./locale/${name}.js`): esbuild looks for files that match, and no plugin is asked. Such a call is
// given another function's name, of the same length so that every place of the source stays what it is.
var (
	patternError = regexp.MustCompile(`^(?:Could not resolve|The glob pattern) (import|require)\("`)
	patternCall  = regexp.MustCompile(`\b(import|require)\s*\((?:\s|\(|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|//[^\n]*\n)*$`)
	patternNames = map[string][]string{"import": {"imp0rt", "imp1rt", "imp2rt", "imp3rt"}, "require": {"requ1re", "requ2re", "requ3re", "requ4re"}}
	patternCalls = map[string]string{"import": importName, "require": requireName}
	lineEnd      = regexp.MustCompile("\r\n|[\n\r\u2028\u2029]")
)

// patternReach is how far before its argument, in bytes, a call may begin: comments stand between.
const patternReach = 1 << 10

// maxPatternRounds is how often a source may be bundled for the sake of its patterns.
const maxPatternRounds = 8

// renamePatterns renames the functions of the calls that esbuild's messages are about, in options. It reports whether there were any:
// esbuild names each pattern once, so that a pattern that comes twice needs two rounds.
func renamePatterns(options *api.BuildOptions, original string, messages []api.Message) bool {
	source := []byte(options.Stdin.Contents)
	var lines [][]int
	for _, m := range messages {
		match := patternError.FindStringSubmatch(m.Text)
		if match == nil || m.Location == nil {
			continue
		}
		if lines == nil {
			lines = lineEnd.FindAllIndex(source, -1)
		}
		argument := m.Location.Column
		if n := m.Location.Line - 2; n >= 0 && n < len(lines) {
			argument += lines[n][1]
		}
		argument = min(argument, len(source))
		before := max(0, argument-patternReach)
		at := patternCall.FindSubmatchIndex(source[before:argument])
		name := unused(original, patternNames[match[1]])
		if at == nil || name == "" {
			continue
		}
		copy(source[before+at[2]:], name)
		options.Define[name] = patternCalls[match[1]]
	}
	if string(source) == options.Stdin.Contents {
		return false
	}
	options.Stdin.Contents = string(source)
	return true
}

// unused returns the first of names that a text does not contain.
func unused(text string, names []string) string {
	for _, name := range names {
		if !strings.Contains(text, name) {
			return name
		}
	}
	return ""
}
