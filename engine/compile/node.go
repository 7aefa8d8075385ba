package compile

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// nodelib has the files of the node: modules. Command nodelib makes those in vendor of kept packages; the others are ours and give them
// the shape of Node's modules.
//
//go:embed nodelib/*.js nodelib/*.mjs nodelib/vendor/*.js nodelib/vendor/*.mjs
var nodelib embed.FS

// nodeModules are the modules of Node that a script may import, with "node:" before the name or without, and their files. Where a module
// has a file for import statements, with the ending .mjs, that is taken for them: parts that are not used stay out of the bundle.
var nodeModules = map[string]string{
	"assert":           "assert.js",
	"assert/strict":    "assert_strict.js",
	"buffer":           "buffer.js",
	"crypto":           "crypto.js",
	"events":           "events.js",
	"path":             "path.js",
	"path/posix":       "path.js",
	"querystring":      "querystring.js",
	"stream":           "stream.js",
	"stream/consumers": "stream_consumers.js",
	"stream/promises":  "stream_promises.js",
	"stream/web":       "stream_web.js",
	"string_decoder":   "string_decoder.js",
	"url":              "url.js",
	"util":             "util.js",
	"util/types":       "util_types.js",
}

// esmFiles are the files for import statements.
var esmFiles = map[string]string{"crypto.js": "crypto.mjs", "url.js": "url.mjs"}

// inWorker are the modules that the worker's require knows: see builtins in boot.js.
var inWorker = map[string]string{Module: Module, "async_hooks": "node:async_hooks", "node:async_hooks": "node:async_hooks"}

// Names by which files of nodelib ask for others: a file of the folder, or what only the worker has.
const (
	nodePrefix  = "jsruntime:"
	inspectName = nodePrefix + "inspect"
)

// nodeFile returns the file of a module that a script, or a file of nodelib, asks for; "" where there is none.
func nodeFile(name string, kind api.ResolveKind, fromNodelib bool) string {
	if file, ok := strings.CutPrefix(name, nodePrefix); ok && fromNodelib {
		return file
	}
	file := nodeModules[strings.TrimPrefix(name, "node:")]
	if esm := esmFiles[file]; esm != "" && (kind == api.ResolveJSImportStatement || kind == api.ResolveJSDynamicImport) {
		return esm
	}
	return file
}

// Bundlers leave a require in an ES module to a function of theirs, which calls the global require where there is one. esbuild calls it
// __require where it does not shorten names; its message stays in any case.
var (
	bundlersRequire = regexp.MustCompile(`\b__require\d*\("(?:node:)?([a-z_/]+)"\)`)
	shortRequire    = regexp.MustCompile(`[\w$]\(["'](?:node:)?([a-z_/]+)["']\)`)
)

const bundlersMessage = "Dynamic require of "

// requiredByBundlers returns the modules of Node that a bundle asks the worker's require for.
func requiredByBundlers(source string) []string {
	if !strings.Contains(source, bundlersMessage) {
		return nil
	}
	calls := bundlersRequire
	if !strings.Contains(source, "__require") {
		calls = shortRequire
	}
	var names []string
	for _, m := range calls.FindAllStringSubmatch(source, -1) {
		if nodeModules[m[1]] != "" && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}

// requiredText is a file that gives the worker's require modules of the bundle.
func requiredText(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s.add(%q, () => require(%q));\n", requireName, name, "node:"+name)
	}
	return b.String() + noMap
}

// nodeNames lists the modules for people.
func nodeNames() string {
	names := []string{"async_hooks"}
	for name := range nodeModules {
		if !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// loadNode gives esbuild a file of nodelib.
func loadNode(args api.OnLoadArgs) (api.OnLoadResult, error) {
	text, err := nodelib.ReadFile("nodelib/" + args.Path)
	if err != nil {
		return api.OnLoadResult{}, err
	}
	contents := string(text) + noMap
	return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
}
