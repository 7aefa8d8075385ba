package webapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/npmtest"
	"example.com/jsruntime/engine/internal/webapi"
)

// The versions of TypeScript that jsruntime.d.ts must compile with, as engine/internal/webapi/testdata/types has them.
var compilers = []string{"typescript-5", "typescript-6", "typescript-7"}

// TestTypes checks jsruntime.d.ts, alone and with the samples, as an author's editor does. The samples use all that it declares: a test
// of cmd/jsruntime compares that with a real execution.
func TestTypes(t *testing.T) {
	t.Parallel()
	modules := npmtest.Install(t, "engine/internal/webapi/testdata/types")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the samples are not type-checked")
	}
	samples, err := filepath.Glob("testdata/samples/*.ts")
	require.NoError(t, err)
	require.NotEmpty(t, samples)
	check := func(t *testing.T, compiler string, libs, types []string, options map[string]any, extra map[string]string) (string, error) {
		dir := t.TempDir()
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		write("jsruntime.d.ts", webapi.Types())
		for _, s := range samples {
			b, err := os.ReadFile(s)
			require.NoError(t, err)
			write(filepath.Base(s), string(b))
		}
		for name, text := range extra {
			write(name, text)
		}
		require.NoError(t, os.Symlink(filepath.Join(modules, "node_modules"), filepath.Join(dir, "node_modules")))
		all := map[string]any{"target": "ES2022", "module": "ESNext", "moduleResolution": "Bundler", "lib": libs, "strict": true, "noEmit": true, "types": types}
		maps.Copy(all, options)
		config, err := json.Marshal(map[string]any{"compilerOptions": all})
		require.NoError(t, err)
		write("tsconfig.json", string(config))
		cmd := exec.Command(node, filepath.Join(modules, "node_modules", compiler, "bin/tsc"), "-p", dir, "--pretty", "false")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	lacking := absent(t, modules)
	for _, compiler := range compilers {
		t.Run(compiler, func(t *testing.T) {
			t.Parallel()
			extra := map[string]string{"globals.ts": globalsSource(t), "wrong.ts": wrongSource, "absent.ts": "export {};\n" + strings.Join(lacking, ";\n") + ";\n"}
			out, err := check(t, compiler, []string{"ES2023"}, []string{"./jsruntime"}, nil, extra)
			require.Error(t, err)
			for line := range strings.Lines(out) {
				require.True(t, strings.HasPrefix(line, "wrong.ts(") || strings.HasPrefix(line, "absent.ts(") || strings.HasPrefix(line, "  "), "%s", out)
			}
			for line := range strings.Lines(strings.TrimSpace(wrongSource)) {
				if _, marked, ok := strings.Cut(line, "// wrong "); ok {
					require.Contains(t, out, "wrong.ts("+strings.TrimSpace(marked)+",", "%s", line)
				}
			}
			for i, name := range lacking {
				require.Contains(t, out, fmt.Sprintf("absent.ts(%d,", i+2), "%s is not there and type-checks", name)
			}
			// It does not clash with a DOM library, nor with one beside Node's types. Node's alone have globals of their own.
			for _, beside := range besides {
				if beside.compiler != "" && beside.compiler != compiler {
					continue
				}
				out, err = check(t, compiler, beside.libs, beside.types, beside.options, nil)
				require.NoError(t, err, "%v %v: %s", beside.libs, beside.types, out)
			}
		})
	}
}

// besides are the libraries that jsruntime.d.ts is loaded with. Version 7 of the compiler takes seconds less than the others.
var besides = []struct {
	compiler    string // "": each
	libs, types []string
	options     map[string]any
}{
	{"", []string{"ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable"}, []string{"./jsruntime"}, nil},
	{"typescript-7", []string{"ESNext", "WebWorker", "WebWorker.Iterable", "WebWorker.AsyncIterable"}, []string{"node", "./jsruntime"}, nil},
	{"typescript-7", []string{"ES2023"}, []string{"node", "./jsruntime"}, map[string]any{"skipLibCheck": true}},
}

// absent lists what lib.dom and lib.webworker have and scripts have not.
func absent(t *testing.T, modules string) []string {
	t.Helper()
	here := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^declare (?:var|function|class) (\w+)`).FindAllStringSubmatch(webapi.Types(), -1) {
		here[m[1]] = true
	}
	names := map[string]bool{"process": true, "require": true, "Buffer": true, "Deno": true, "WebAssembly": true}
	for _, lib := range []string{"dom", "webworker"} {
		text, err := os.ReadFile(filepath.Join(modules, "node_modules/typescript-6/lib/lib."+lib+".d.ts"))
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^declare (?:var|function|namespace) (\w+)`).FindAllStringSubmatch(string(text), -1) {
			if !here[m[1]] {
				names[m[1]] = true
			}
		}
	}
	require.Greater(t, len(names), 500)
	for _, name := range []string{"document", "window", "caches", "importScripts", "localStorage", "XMLHttpRequest", "onmessage", "location"} {
		require.True(t, names[name], name)
	}
	return slices.Sorted(maps.Keys(names))
}

// wrongSource has a mistake in each line that ends with "wrong" and its number.
const wrongSource = `import { kv, type Handlers } from "jsruntime";
export default { fetch: (request) => request.url } satisfies Handlers; // wrong 2
kv.put(1, 2); // wrong 3
kv.get("a", "b"); // wrong 4
export const wrong: Handlers = { run: (_input, _env, ctx) => ctx.limits.maxMemoryBytes }; // wrong 5
new WebSocket("wss://example.com"); // wrong 6
setTimeout("text", 1); // wrong 7
console.timeStamp("a"); // wrong 8
performance.mark("a"); // wrong 9
new Request("https://example.com").body.nothing; // wrong 10
navigator.geolocation; // wrong 11
const body: BodyInit = 1; // wrong 12
new Response("a").headers.entries().nothing; // wrong 13
export const headers: HeadersInit = { a: 1 }; // wrong 14
`

// undeclared are globals that are there and have no value's type: lib.webworker calls it WorkerNavigator.
var undeclared = map[string]bool{"Navigator": true}

// globalsSource is a program that names every global of globals.js.
func globalsSource(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("js/globals.js")
	require.NoError(t, err)
	var names []string
	for _, list := range regexp.MustCompile(`(?s)const (?:hidden|shown) = (.*?);\n`).FindAllSubmatch(b, -1) {
		for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllSubmatch(list[1], -1) {
			names = append(names, strings.Fields(string(quoted[1]))...)
		}
	}
	require.Greater(t, len(names), 60)
	require.Contains(t, names, "AsyncLocalStorage")
	var source strings.Builder
	source.WriteString("export {};\nself;\n")
	for _, name := range names {
		if !undeclared[name] {
			fmt.Fprintf(&source, "%s;\n", name)
		}
	}
	return source.String()
}
