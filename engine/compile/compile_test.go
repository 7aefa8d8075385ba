package compile_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
)

func TestCompileWrapsOneClassicScript(t *testing.T) {
	t.Parallel()
	out, err := compile.Compile(t.Context(), compile.Input{Handler: "fetch", Source: `import { kv } from "jsruntime";
interface A { b: string }
export default { async fetch(request: Request, env: A) { return Response.json(await kv.get("é")) } };`})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out.Compiled, `(function(module,exports,require,__jsruntime_meta,__jsruntime_import,__jsruntime_require,import$,__import$){"use strict";`))
	require.True(t, strings.HasSuffix(out.Compiled, "\n})"))
	require.Contains(t, out.Compiled, `require("jsruntime")`)
	require.NotContains(t, out.Compiled, "interface")
	require.Equal(t, []string{"fetch"}, out.Handlers)
	require.False(t, out.Open)
	require.Len(t, out.SHA256, 64)
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source string
		at     [2]int
		says   string
	}{
		"syntax":          {"export default {\n  fetch( { }", [2]int{2, 13}, "Expected"},
		"columns":         {"const é = 'é'; const x = ;", [2]int{1, 26}, "Unexpected"},
		"npm package":     {"\nimport _ from \"lodash\";\nexport default _;", [2]int{2, 15}, "bundle npm packages"},
		"node module":     {"import 'fs';", [2]int{1, 8}, "bundle npm packages"},
		"relative file":   {"export * from './x.js'", [2]int{1, 15}, "bundle npm packages"},
		"file URL":        {"import 'file:///etc/passwd'", [2]int{1, 8}, "bundle npm packages"},
		"after an await":  {"\n\nawait 1;\nimport 'x'", [2]int{4, 8}, "bundle npm packages"},
		"beside patterns": {"import 'x'; import(`./${1}.js`)", [2]int{1, 8}, "bundle npm packages"},
		"NUL":             {"a\n\"b\x00\"", [2]int{2, 3}, "NUL"},
		"UTF-8":           {"'é\xff'", [2]int{1, 3}, "UTF-8"},
		"size":            {strings.Repeat(" ", compile.MaxSourceBytes+1), [2]int{1, 1}, "limit is 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := compile.Compile(context.Background(), compile.Input{Source: c.source, Handler: "fetch"})
			var refused *compile.Error
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Diagnostics[0].Message, c.says)
			require.Equal(t, c.at[0], refused.Diagnostics[0].Line)
			require.Equal(t, c.at[1], refused.Diagnostics[0].Column)
		})
	}
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`export default { fetch() {}, async run(x) { return {event: 1} } }`:                                         "fetch run",
		"export default {\n  async *'scheduled'() {},\n  event: async () => { const run = 1 },\n}":                  "scheduled event",
		"export default { get fetch() { return () => 1 }, async: 1, get: 2 }":                                       "fetch",
		"const fetch = () => 1; export default { fetch }":                                                           "fetch",
		"export default { a: `}${ {b: `,run:`} }`, b: /[/}]run:/g, c: 4 / 2, run() {} }":                            "run",
		"export default function (input) { return input }":                                                          "fetch",
		"export default async function handle(input) { return input }":                                              "fetch",
		"export default async (input) => input":                                                                     "fetch",
		"const h = { run() {} }; export default h;":                                                                 "run",
		"const h = { run() {} } satisfies object; export default h as any;":                                         "run",
		"function f() {}\nexport { f as default }":                                                                  "fetch",
		"export const fetch = 1":                                                                                    "",
		"":                                                                                                          "open",
		"module.exports = { run() {} }":                                                                             "run",
		"class App { fetch() {} }\nconst app = new App(); export default app":                                       "open",
		"const base = {}; export default { ...base, run() {} }":                                                     "run open",
		"const k = 'run'; export default { [k]() {} }":                                                              "open",
		"const h = {}; h.fetch = () => 1; export default h":                                                         "open",
		"export default Object.assign({}, { run() {} })":                                                            "open",
		"export default {\n  // run() {}\n  /* event() {}, */\n  fetch: (r) => new Response(\"run: }\"),\n} as any": "fetch",
		// With modules of Node, which have exports too:
		"const c = require('crypto'); module.exports = { run() {}, c }":                 "run",
		"const c = require('node:url'); export default { run() {} }; export { c }":      "run",
		"import c from 'crypto'; await import('url'); export default { event() {}, c }": "event",
		"require('crypto'); await 1; export const run = 1":                              "",
		// With a top-level await:
		"await 1; export default { run() {} }":                                                "run",
		"for await (const x of []) {}\nconst app = { fetch() {} }; export { app as default }": "fetch",
		"await 1; export default function () {}":                                              "fetch",
		"export const run = await 1":                                                          "",
		"await 1":                                                                             "",
		"module.exports = { run() {} }; await 1":                                              "run",
		"exports.run = await 1":                                                               "open",
		"import app from 'jsruntime'; await 1; export default app.kv":                         "open",
	} {
		out, err := compile.Compile(t.Context(), compile.Input{Source: source, Handler: "fetch"})
		require.NoError(t, err, source)
		got := out.Handlers
		if out.Open {
			got = append(got, "open")
		}
		require.Equal(t, want, strings.Join(got, " "), source)
	}
}

// A script has the modules of Node that it imports, and of those with a file for import statements the parts that it uses.
func TestModulesOfNodeAreBundled(t *testing.T) {
	t.Parallel()
	size := func(source string) int {
		out, err := compile.Compile(t.Context(), compile.Input{Source: source, Handler: "run"})
		require.NoError(t, err, source)
		return len(out.Compiled)
	}
	plain := size("export default { run() {} }")
	require.Less(t, plain, 2_000)
	require.Less(t, size(`import { fileURLToPath } from "node:url"; export default { run() { return fileURLToPath("file:///a") } }`), 10_000)
	require.Less(t, size(`import { randomUUID } from "crypto"; export default { run: randomUUID }`), 10_000)
	require.Less(t, size(`import { Readable } from "node:stream"; export default { run() {} }`), plain+100)
	hash := size(`import { createHash } from "node:crypto"; export default { run: () => createHash("md5") }`)
	require.Equal(t, hash, size(`import { createHash } from "node:crypto"; import "node:crypto"; export default { run: () => createHash("md5") }`))
	require.Less(t, hash, 100_000)
	for _, source := range []string{
		`const { EventEmitter } = require("events"); export default { run: () => new EventEmitter() }`,
		`export default { async run() { const { Buffer } = await import("node:buffer"); return Buffer.from("x") } }`,
		`import { Buffer } from "buffer"; await 1; export default { run: () => Buffer.from("x") }`,
		`import { AsyncLocalStorage } from "async_hooks"; await 1; export default { run: () => new AsyncLocalStorage() }`,
	} {
		size(source)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func TestCompilerCaches(t *testing.T) {
	t.Parallel()
	c, err := compile.New(compile.Config{CacheBytes: 8 << 10})
	require.NoError(t, err)
	in := compile.Input{Source: "export default () => 1", Handler: "run"}
	a, err := c.Compile(t.Context(), in)
	require.NoError(t, err)
	b, err := c.Compile(t.Context(), in)
	require.NoError(t, err)
	require.Same(t, a, b)
	in.Handler = "event"
	b, err = c.Compile(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{"event"}, b.Handlers)
	for i := range 20 {
		_, err = c.Compile(t.Context(), compile.Input{Source: "export default () => " + itoa(i+2), Handler: "run"})
		require.NoError(t, err)
	}
	in.Handler = "run"
	b, err = c.Compile(t.Context(), in)
	require.NoError(t, err)
	require.NotSame(t, a, b)

	_, err = c.Compile(t.Context(), compile.Input{Source: "export default {"})
	var refused *compile.Error
	require.ErrorAs(t, err, &refused)
}

// child is the program that plays the compiler's child: this one, without the race detector.
var child = sync.OnceValues(executable)

// TestMain lets the test binary be the compiler's child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "compile-child" {
		os.Exit(compile.Child(os.Stdin, os.Stdout, os.Stderr, true))
	}
	if len(os.Args) == 3 && os.Args[1] == "confined" {
		os.Exit(attempt(os.Args[2]))
	}
	if len(os.Args) == 3 && os.Args[1] == "fake-child" {
		os.Exit(fakeChild(os.Args[2]))
	}
	code := m.Run()
	cleanUp()
	os.Exit(code)
}

func TestHostileSourcesEndTheChildOnly(t *testing.T) {
	t.Parallel()
	self, err := child()
	require.NoError(t, err)
	c, err := compile.New(compile.Config{Command: []string{self, "compile-child"}})
	require.NoError(t, err)
	out, err := c.Compile(t.Context(), compile.Input{Source: "export default { run() {} }", Handler: "run"})
	require.NoError(t, err)
	require.Equal(t, []string{"run"}, out.Handlers)
	for source, says := range map[string]string{
		strings.Repeat("(", 400_000) + "1" + strings.Repeat(")", 400_000): "nested too deeply",
		strings.Repeat("!", 1_000_000) + "1":                              "nested too deeply",
		"import 'x'":                                                      "bundle npm packages",
	} {
		_, err = c.Compile(t.Context(), compile.Input{Source: source, Handler: "run"})
		var refused *compile.Error
		require.ErrorAs(t, err, &refused)
		require.Contains(t, refused.Diagnostics[0].Message, says)
	}
	c, err = compile.New(compile.Config{Command: []string{"/nonexistent"}})
	require.NoError(t, err)
	_, err = c.Compile(t.Context(), compile.Input{Source: "1", Handler: "run"})
	var refused *compile.Error
	require.Error(t, err)
	require.NotErrorAs(t, err, &refused)
}

func FuzzCompile(f *testing.F) {
	f.Add("export default { fetch() {}, get run() { return `${`}`}` } }")
	f.Add("module.exports = { a: /[/]/, 'run'() {} }")
	f.Fuzz(func(t *testing.T, source string) {
		out, err := compile.Compile(t.Context(), compile.Input{Source: source, Handler: "run"})
		if err != nil {
			var refused *compile.Error
			require.ErrorAs(t, err, &refused)
			require.NotEmpty(t, refused.Error())
			return
		}
		require.NotContains(t, out.Compiled, "\x00")
	})
}
