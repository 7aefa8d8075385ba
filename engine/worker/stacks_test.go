package worker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/internal/wire"
)

const stacks = `import { log } from "jsruntime";
type Order = { id: number };

function deep(o: Order): never {
  throw new TypeError("no " + o.id);
}

class Shop {
  async buy(o: Order) {
    await null;
    return [o].map((x) => deep(x));
  }
}

const caught = async (f) => { try { await f(); } catch (e) { return e; } };
const cases = {
  thrown: () => new Shop().buy({ id: 7 }),
  read: async () => (await caught(cases.thrown)).stack,
  logged: async () => console.error("failed:", await caught(cases.thrown)),
  nested: async () => console.log({ a: [await caught(cases.thrown)] }),
  fields: async () => log.error("failed", { e: await caught(cases.thrown), n: 1 }),
  traced: () => console.trace("here"),
  cause() {
    throw new Error("outer", { cause: new Error("inner", { cause: { plain: 1 } }) });
  },
  many: () => Promise.any([Promise.reject(new RangeError("a")), Promise.reject("b")]),
  cycle() {
    const e = new AggregateError([], "round");
    e.errors.push(e);
    e.cause = e;
    throw e;
  },
  wide() {
    throw new AggregateError(Array.from({ length: 500 }, (_, i) => new Error("no " + i)), "wide");
  },
  endless() {
    const make = (n) => new Error("e" + n, n < 100 ? { cause: make(n + 1) } : undefined);
    throw make(0);
  },
  hostile() {
    throw Object.defineProperties(new Error("x"), { cause: { get() { throw 1; } }, errors: { value: new Proxy([], { get() { throw 2; } }) } });
  },
  ours: async () => {
    const stacks = [];
    for (const f of [
      () => new URL("x"), () => structuredClone(() => 1), () => new Request("http://a.test", { method: "é" }), () => fetch(),
      () => new Response("x", { status: 1 }), () => atob("é"), () => crypto.getRandomValues(1), () => new Headers({ "é": "x" }),
      () => new ReadableStream({ start() { deep({ id: 1 }); } }), () => new ReadableStream({ pull() { deep({ id: 1 }); } }).getReader().read(),
      () => new Promise((_, no) => setTimeout(() => { try { deep({ id: 1 }); } catch (e) { no(e); } }, 1)),
      () => new Promise((_, no) => { const t = new EventTarget(); t.addEventListener("x", () => { try { deep({ id: 1 }); } catch (e) { no(e); } }); t.dispatchEvent(new Event("x")); }),
      () => AbortSignal.abort().throwIfAborted(), () => new TextDecoder("x"), () => new Blob(1),
    ]) stacks.push((await caught(f))?.stack ?? "none");
    return stacks;
  },
  own: () => {
    const before = Error.prepareStackTrace;
    Error.prepareStackTrace = (e, sites) => e + sites.map((s) => "\n    at " + s).join("");
    try { deep({ id: 1 }); } catch (e) { console.log(e.stack); }
    Error.prepareStackTrace = undefined;
    try { deep({ id: 2 }); } catch (e) { console.log(e.stack); }
    Error.prepareStackTrace = () => [1, 2];
    console.trace("list");
    Error.prepareStackTrace = before;
    return new Error("again").stack;
  },
  later() {
    const e = new Error("first");
    e.message = "second";
    class Own extends Error { get message() { return "own"; } }
    const odd = Object.assign(new Error(), { name: null, message: { toString() { for (;;); } } });
    return [e, new Own(), new DOMException("m", "AbortError"), odd].map((e) => e.stack.split("\n")[0]).join();
  },
  full: () => { const f = () => f(); try { f(); } catch (e) { return e.stack; } },
  shape: () => [Object.keys(Error), typeof Error.prepareStackTrace, new Error("a\nb").stack, Error.captureStackTrace({}), delete Error.prepareStackTrace],
};
export default {
  run: (name: string) => cases[name](),
};
`

// runCase runs one case and returns its result and lines.
func (n *node) runCase(name string) (wire.Result, string) {
	n.t.Helper()
	n.logs = nil
	r := n.run(1, fmt.Sprintf("%q", name))
	lines := ""
	for _, l := range n.logs {
		lines += l.Message + "\n"
	}
	return r, lines
}

// Every stack that leaves the runtime names the author's places, shows none of our frames, and tells what caused an error.
func TestStacksAreTheAuthors(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.loadSource(1, stacks).Code)
	const thrown = "TypeError: no 7\n    at deep (demo.ts:5:9)\n    at demo.ts:11:27\n    at Array.map (<anonymous>)\n    at Shop.buy (demo.ts:11:16)"
	const caught = thrown + "\n    at async caught (demo.ts:15:37)"

	r, _ := n.runCase("thrown")
	require.Equal(t, thrown, r.Stack)
	r, _ = n.runCase("read")
	require.Equal(t, caught+"\n    at async Object.read (demo.ts:18:22)", textOf(t, r))
	_, lines := n.runCase("logged")
	require.Equal(t, "failed: "+caught+"\n    at async Object.logged (demo.ts:19:48)\n", lines)
	_, lines = n.runCase("nested")
	require.Contains(t, lines, "at deep (demo.ts:5:9)")
	_, lines = n.runCase("fields")
	require.Equal(t, `failed {"e":`+quoted(caught+"\n    at async Object.fields (demo.ts:21:48)")+",\"n\":1}\n", lines)
	_, lines = n.runCase("traced")
	require.Equal(t, "Trace: here\n    at Object.traced (demo.ts:22:25)\n    at Object.run (demo.ts:77:36)\n", lines)

	r, _ = n.runCase("cause")
	require.Equal(t, "Error: outer\n    at Object.cause (demo.ts:24:11)\n    at Object.run (demo.ts:77:36)\n"+
		"Caused by: Error: inner\n      at Object.cause (demo.ts:24:39)\n      at Object.run (demo.ts:77:36)\n  Caused by: { plain: 1 }", r.Stack)
	r, _ = n.runCase("many")
	require.Equal(t, "AggregateError: All promises were rejected\n"+
		"Error 1 of 2: RangeError: a\n      at Object.many (demo.ts:26:43)\n      at Object.run (demo.ts:77:36)\nError 2 of 2: b", r.Stack)
	r, _ = n.runCase("cycle")
	require.Contains(t, r.Stack, "\nCaused by: [an error that stands above]\nError 1 of 1: [an error that stands above]")
	r, _ = n.runCase("wide")
	require.Contains(t, r.Stack, "Error 10 of 500: Error: no 9\n")
	require.Contains(t, r.Stack, "[and 490 more errors]")
	r, _ = n.runCase("endless")
	require.Contains(t, r.Stack, "Caused by: Error: e8\n")
	require.Contains(t, r.Stack, "[and what caused it]")
	r, _ = n.runCase("hostile")
	require.Equal(t, "Error: x", r.Message)

	r, _ = n.runCase("ours")
	var of []string
	require.NoError(t, json.Unmarshal(r.Body, &of), "%s", r.Stack)
	for i, stack := range of {
		require.NotEqual(t, "none", stack, i)
		require.NotContains(t, stack, "jsruntime:")
		require.Regexp(t, `\n    at .*demo\.ts:\d+:\d+`, stack, i)
	}
	r, lines = n.runCase("own")
	require.Contains(t, textOf(t, r), "Error: again\n    at Object.own (demo.ts:")
	require.NotContains(t, lines, "jsruntime:")
	require.Contains(t, lines, "no 1\n    at deep (demo.ts:5:9)")
	require.Contains(t, lines, "no 2\n    at deep (demo.ts:5:9)")
	require.Contains(t, lines, "Trace: list\n")
	r, _ = n.runCase("later")
	require.Equal(t, "Error: second,Error: own,AbortError: m,null", textOf(t, r))
	r, _ = n.runCase("full")
	require.Contains(t, textOf(t, r), "RangeError: Maximum call stack size exceeded\n    at f (demo.ts:")
	r, _ = n.runCase("shape")
	require.Regexp(t, `^\[\["stackTraceLimit"\],"function","Error: a\\nb\\n    at Object.shape \(demo.ts:\d+:\d+\)\\n    at Object.run \(demo.ts:77:36\)",null,true\]$`, string(r.Body))
}

func textOf(t *testing.T, r wire.Result) (s string) {
	t.Helper()
	require.Empty(t, r.Code, "%s", r.Stack)
	require.NoError(t, json.Unmarshal(r.Body, &s))
	return s
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(b))
}

// A bundle that carries its source map shows the files that it was made of.
func TestStacksNameTheSourcesOfABundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, source := range map[string]string{
		"index.ts":   "import { tax } from './lib/tax';\nimport { Money } from '../shared/money';\n\nexport default {\n  run(n: number) {\n    return tax(new Money(n));\n  },\n};\n",
		"lib/tax.ts": "import type { Money } from '../../shared/money';\n// twenty per cent\nexport function tax(m: Money): number {\n  return m.times(0.2);\n}\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, "src", name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "src", name), []byte(source), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "shared"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shared/money.ts"), []byte("export class Money {\n  constructor(readonly n: number) {}\n\n  times(x: number): number {\n    throw new Error('no money');\n  }\n}\n"), 0o600))
	for _, minify := range []bool{false, true} {
		result := api.Build(api.BuildOptions{
			EntryPoints: []string{filepath.Join(dir, "src/index.ts")}, AbsWorkingDir: filepath.Join(dir, "src"), Bundle: true, Format: api.FormatESModule, Sourcemap: api.SourceMapInline,
			MinifyWhitespace: minify, MinifySyntax: minify, KeepNames: true, Outdir: filepath.Join(dir, "src/dist"),
		})
		require.Empty(t, result.Errors)
		n := spawn(t).lease()
		require.Empty(t, n.loadSource(1, string(result.OutputFiles[0].Contents)).Code)
		r := n.run(1, "5")
		require.Equal(t, "Error: no money\n    at Money.times (shared/money.ts:5:11)\n    at tax (lib/tax.ts:4:12)\n    at Object.run (index.ts:6:12)", r.Stack)
	}
}

// Maps that authors write may say anything: a stack has what they say, or the compiled positions, and the worker lives.
func TestStacksOfHostileMaps(t *testing.T) {
	t.Parallel()
	const source = "export default {\n  run() {\n    return new Error('x').stack;\n  },\n};\n"
	inline := func(text string) string {
		return source + "//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(text))
	}
	n := spawn(t).lease()
	for name, c := range map[string]struct{ sourceMap, want string }{
		"no json":     {"{", "demo.ts:3:12"},
		"half":        {`{"version":3,"sources":["a.ts"],"mappings":"AAAA`, "demo.ts:3:12"},
		"version":     {`{"version":2,"sources":["a.ts"],"mappings":"AAAA"}`, "demo.ts:3:12"},
		"types":       {`{"version":3,"sources":[1],"names":7,"mappings":{}}`, ""},
		"no mappings": {`{"version":3,"sources":["a.ts"],"names":[],"mappings":""}`, ""},
		"no digits":   {`{"version":3,"sources":["a.ts"],"names":[],"mappings":"!!!!"}`, ""},
		"far":         {`{"version":3,"sources":["a.ts"],"names":[],"mappings":"AA+/////DA;AAAA;AAAA;AAAA"}`, ""},
		"breaks":      {`{"version":3,"sources":["a\n    at system (root.ts:1:1)\u0000\u2028b.ts"],"names":[],"mappings":"AAAA;AACA;AACA;AACA"}`, "    at Object.run (a    at system (root.ts:1:1)b.ts:3:1)"},
		"long":        {`{"version":3,"sources":["` + strings.Repeat("x", 100_000) + `.ts"],"names":[],"mappings":"AAAA;AACA;AACA;AACA"}`, "x.ts:3:1)"},
	} {
		out, err := compile.Compile(t.Context(), compile.Input{Source: inline(c.sourceMap), Handler: "run"})
		require.NoError(t, err, name)
		require.NotContains(t, out.Compiled, "sourceMappingURL")
		require.Empty(t, n.loadSource(1, inline(c.sourceMap)).Code, name)
		stack := textOf(t, n.run(1, "1"))
		require.Less(t, len(stack), 1000, name)
		require.Len(t, strings.Split(stack, "\n"), 2, "%s: %s", name, stack)
		require.Contains(t, stack, c.want, name)
	}
	// Without a map, or with one that is none, positions are those of the compiled script.
	for _, packed := range []string{"", "map", base64.RawStdEncoding.EncodeToString([]byte("no deflate"))} {
		out, err := compile.Compile(t.Context(), compile.Input{Source: source, Handler: "run"})
		require.NoError(t, err)
		n.send(&wire.Load{Slot: 1, MaxMemory: 64 << 20, Name: "a\nb", Static: []byte(`{"scriptType":"oneoff"}`), Source: []byte(out.Compiled), SourceMap: packed})
		k, _, err := n.r.Next()
		require.NoError(t, err)
		require.Equal(t, wire.KindLoaded, k)
		require.Regexp(t, `^Error: x\n    at Object.run \(a b\.js:\d+:\d+\)$`, textOf(t, n.run(1, "1")))
	}
}
