package worker

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// Each case is the body of an async function, run here and in Node 20: the answers are Node's. TestAsyncContextAnswers checks that, where
// a Node of that version is installed.
var asyncContextCases = []struct{ name, body, want string }{
	{"run and nesting", `const a = new AsyncLocalStorage(), b = new AsyncLocalStorage(), out = [a.getStore()];
		const r = a.run(1, (x, y) => { out.push(a.getStore(), b.getStore(), x + y); b.run("b", () => a.run(2, () => out.push(a.getStore(), b.getStore()))); out.push(a.getStore(), b.getStore()); return "r"; }, 3, 4);
		return [r, ...out, a.getStore(), b.getStore()]`, `["r",null,1,null,7,2,"b",1,null,null,null]`},
	{"await, then, catch and finally", `const a = new AsyncLocalStorage(), out = [];
		await a.run(1, async () => { out.push(a.getStore()); await 0; out.push(a.getStore()); await new Promise((r) => setTimeout(r, 2)); out.push(a.getStore());
			await Promise.resolve().then(() => out.push(a.getStore())); await Promise.reject(0).catch(() => out.push(a.getStore())); await Promise.resolve().finally(() => out.push(a.getStore())); });
		return [...out, a.getStore()]`, `[1,1,1,1,1,1,null]`},
	{"a reaction has the context of then, not of resolve", `const a = new AsyncLocalStorage(); let resolve; const p = new Promise((r) => { resolve = r; });
		const seen = a.run("then", () => p.then(() => a.getStore())); const bare = p.then(() => a.getStore() ?? "none"); a.run("resolve", () => resolve()); return [await seen, await bare]`, `["then","none"]`},
	{"two at once", `const a = new AsyncLocalStorage(); const one = (n) => a.run(n, async () => { const out = []; for (let i = 0; i < 3; i++) { await new Promise((r) => setTimeout(r, n)); out.push(a.getStore()); } return out; });
		return Promise.all([one(1), one(2), one(3)])`, `[[1,1,1],[2,2,2],[3,3,3]]`},
	{"timers", `const a = new AsyncLocalStorage(), out = []; await new Promise((done) => a.run("t", () => {
			setTimeout(() => { out.push(a.getStore()); setImmediate(() => { out.push(a.getStore()); let n = 0; const i = setInterval(() => { out.push(a.getStore()); a.enterWith("inner"); if (++n === 2) { clearInterval(i); done(); } }, 1); }); }, 1); }));
		return out.slice(0, 3)`, `["t","t","t"]`},
	{"queueMicrotask", `const a = new AsyncLocalStorage(); return new Promise((r) => a.run("m", () => queueMicrotask(() => r([a.getStore()]))))`, `["m"]`},
	{"exit", `const a = new AsyncLocalStorage(), out = []; await a.run(1, async () => { out.push(a.exit((x) => [a.getStore() ?? null, x], "arg")); await a.exit(async () => { await 0; out.push(a.getStore() ?? null); }); out.push(a.getStore()); });
		return out`, `[[null,"arg"],null,1]`},
	{"exit of one that was never used", `const a = new AsyncLocalStorage(); return [a.exit(() => a.getStore() ?? "none")]`, `["none"]`},
	{"enterWith", `const a = new AsyncLocalStorage(), out = []; await a.run(1, async () => { a.enterWith(2); out.push(a.getStore()); await 0; out.push(a.getStore()); await new Promise((r) => setTimeout(() => { out.push(a.getStore()); r(); }, 1)); });
		out.push(a.getStore() ?? null); await (async () => { a.enterWith(3); })(); out.push(a.getStore()); return out`, `[2,2,2,null,3]`},
	{"enterWith in a callee that has awaited", `const a = new AsyncLocalStorage(); a.enterWith(1); await (async () => { await 0; a.enterWith(2); })(); return [a.getStore()]`, `[1]`},
	{"disable", `const a = new AsyncLocalStorage(), out = []; a.run(1, () => { a.disable(); out.push(a.getStore() ?? null); a.run(2, () => out.push(a.getStore())); }); out.push(a.getStore() ?? null); return out`, `[null,2,null]`},
	{"bind", `const a = new AsyncLocalStorage(); const f = a.run(1, () => AsyncLocalStorage.bind(function (x, y) { return [a.getStore(), x, y, this?.me ?? null]; }));
		return a.run(2, () => [f(3, 4), f.call({ me: "this" }, 5), f.length, a.getStore()])`, `[[1,3,4,null],[1,5,null,"this"],2,2]`},
	{"snapshot", `const a = new AsyncLocalStorage(), b = new AsyncLocalStorage(); const s = a.run(1, () => AsyncLocalStorage.snapshot()); return b.run("b", () => a.run(2, () => [s((x) => [a.getStore(), b.getStore() ?? null, x], 3), a.getStore()]))`, `[[1,null,3],2]`},
	{"AsyncResource", `const a = new AsyncLocalStorage(); const r = a.run(1, () => new AsyncResource("Job")); const self = {};
		const out = a.run(2, () => [r.runInAsyncScope(function (x) { return [a.getStore(), x, this === self]; }, self, 3), r.bind((x) => [a.getStore(), x])(4), r.bind(function () { return this === self; }, self)(), AsyncResource.bind(() => a.getStore())()]);
		return [...out, typeof r.asyncId(), typeof r.triggerAsyncId(), r.emitDestroy() === r, r.bind((x, y) => 0).length]`, `[[1,3,true],[1,4],true,2,"number","number",true,2]`},
	{"a subclass of AsyncResource", `const a = new AsyncLocalStorage(); class Job extends AsyncResource { constructor(f) { super("Job"); this.f = f; } go(...args) { return this.runInAsyncScope(this.f, null, ...args); } } const j = a.run("made", () => new Job((x) => [a.getStore(), x])); return j.go(1)`, `["made",1]`},
	{"wrong arguments", `const out = []; for (const f of [() => AsyncLocalStorage.bind(1), () => AsyncResource.bind({}), () => new AsyncResource(), () => new AsyncResource("x").bind("f"), () => new AsyncResource("x", { triggerAsyncId: -2 }), () => new AsyncLocalStorage().run(1, 2), () => AsyncLocalStorage.prototype.run.call({}, 1, () => 1)]) {
			try { f(); out.push("no error"); } catch (e) { out.push([e.name, e.code ?? null]); } } return out`,
		`[["TypeError","ERR_INVALID_ARG_TYPE"],["TypeError","ERR_INVALID_ARG_TYPE"],["TypeError","ERR_INVALID_ARG_TYPE"],["TypeError","ERR_INVALID_ARG_TYPE"],["RangeError","ERR_INVALID_ASYNC_ID"],["TypeError",null],["TypeError",null]]`},
	{"a callback that throws", `const a = new AsyncLocalStorage(), out = []; try { a.run(1, () => { throw new Error("x"); }); } catch (e) { out.push(e.message, a.getStore() ?? null); } try { a.run(1, () => a.exit(() => { throw new Error("y"); })); } catch (e) { out.push(e.message, a.getStore() ?? null); } return out`, `["x",null,"y",null]`},
	{"this of callbacks", `const a = new AsyncLocalStorage(); return [a.run(1, function () { "use strict"; return this === null; }), a.exit(function () { "use strict"; return this === null; })]`, `[true,true]`},
	{"stores of every kind", `const a = new AsyncLocalStorage(), out = []; for (const s of [0, "", null, false, NaN]) a.run(s, () => out.push(Object.is(a.getStore(), s))); a.run(1, () => a.run(undefined, () => out.push(a.getStore() === undefined))); return out`, `[true,true,true,true,true,true]`},
	{"events that a script dispatches", `const a = new AsyncLocalStorage(), t = new EventTarget(), c = new AbortController(), out = []; a.run("added", () => { t.addEventListener("x", () => out.push(a.getStore() ?? null)); c.signal.addEventListener("abort", () => out.push(a.getStore() ?? null)); c.signal.onabort = () => out.push(a.getStore() ?? null); });
		a.run("dispatched", () => { t.dispatchEvent(new Event("x")); c.abort(); }); t.dispatchEvent(new Event("x")); return out`, `["dispatched","dispatched","dispatched",null]`},
	{"AbortSignal.timeout", `const a = new AsyncLocalStorage(); return new Promise((r) => { const s = a.run("timeout", () => AbortSignal.timeout(1)); a.run("listen", () => s.addEventListener("abort", () => r([a.getStore()]))); setTimeout(() => {}, 50); })`, `["timeout"]`},
	{"async generators and iteration", `const a = new AsyncLocalStorage(), out = []; async function* g() { out.push(a.getStore() ?? null); yield 1; await 0; out.push(a.getStore() ?? null); yield 2; } const it = g(); await a.run("first", () => it.next()); await a.run("second", () => it.next());
		await a.run("loop", async () => { for await (const x of g()) out.push(a.getStore()); }); return out`, `["first","second","loop","loop","loop","loop"]`},
	{"readable stream", `const a = new AsyncLocalStorage(), out = []; let n = 0; const s = a.run("made", () => new ReadableStream({ start() { out.push("start " + a.getStore()); }, async pull(c) { out.push("pull " + a.getStore()); await 0; c.enqueue(++n); if (n === 3) c.close(); } }));
		await a.run("read", async () => { for await (const x of s) out.push(x + " " + a.getStore()); }); return out.filter((x) => x.startsWith("start") || !x.startsWith("pull"))`, `["start made","1 read","2 read","3 read"]`},
	{"transform and writable", `const a = new AsyncLocalStorage(), out = []; const t = new TransformStream({ transform(x, c) { out.push("transform " + typeof a.getStore()); c.enqueue(x); } }); await a.run("pipe", async () => { const w = t.writable.getWriter(); const read = t.readable.getReader().read(); await w.write(1); await read; out.push(a.getStore()); }); return out.slice(-1)`, `["pipe"]`},
	{"Promise.all and race", `const a = new AsyncLocalStorage(); return a.run(1, async () => { await Promise.all([0, Promise.resolve(1)]); const x = a.getStore(); await Promise.race([new Promise((r) => setTimeout(r, 1))]); return [x, a.getStore()]; })`, `[1,1]`},
	{"a thenable", `const a = new AsyncLocalStorage(), out = []; await a.run(1, async () => { await { then(r) { out.push(a.getStore()); r(); } }; out.push(a.getStore()); }); return out`, `[1,1]`},
	{"many storages", `const all = Array.from({ length: 20 }, () => new AsyncLocalStorage()); let f = () => all.map((a) => a.getStore()); for (let i = 0; i < 20; i++) { const g = f; f = () => all[i].run(i, g); } const before = f(); return [before, all.map((a) => a.getStore() ?? null).filter((x) => x !== null)]`,
		`[[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19],[]]`},
}

const asyncContextImports = "const { AsyncLocalStorage, AsyncResource } = require('node:async_hooks');\n"

func TestAsyncContext(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range asyncContextCases {
		require.Empty(t, n.load(1, asyncContextImports+script(c.body)).Code, c.name)
		r := n.run(1, "{}")
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.JSONEq(t, c.want, string(r.Body), c.name)
	}
}

func TestAsyncContextAnswers(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: its answers are not asked for again")
	}
	if v, err := exec.Command(node, "--version").Output(); err != nil || !strings.HasPrefix(string(v), "v20.") {
		t.Skipf("node is %s, not version 20: its answers are not asked for again", strings.TrimSpace(string(v)))
	}
	var source strings.Builder
	source.WriteString(asyncContextImports + "const cases = {\n")
	for _, c := range asyncContextCases {
		fmt.Fprintf(&source, "%q: async () => {%s\n},\n", c.name, c.body)
	}
	source.WriteString(`}; (async () => { const out = {}; for (const k in cases) out[k] = await cases[k](); console.log(JSON.stringify(out)); })();`)
	out, err := exec.Command(node, "-e", source.String()).CombinedOutput()
	require.NoError(t, err, string(out))
	var answers map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(out, &answers), string(out))
	for _, c := range asyncContextCases {
		require.JSONEq(t, c.want, string(answers[c.name]), c.name)
	}
}

// No store of one execution is seen by the next, however the script left it; nor one of the version before.
func TestAsyncContextOfTheNextExecution(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct{ name, top, body string }{
		{"enterWith", "", `a.enterWith(input)`},
		{"enterWith after await", "", `await 0; a.enterWith(input)`},
		{"enterWith at load", `a.enterWith("load");`, ``},
		{"enterWith in a timer", "", `await new Promise((r) => setTimeout(() => { a.enterWith(input); r(); }, 1)); a.enterWith(input)`},
		{"enterWith before a throw", "", `a.enterWith(input); if (input.fails) throw new Error("x")`},
		{"run that never ends", "", `a.run(input, async () => { await new Promise(() => {}); })`},
	} {
		source := asyncContextImports + `const a = new AsyncLocalStorage(); ` + c.top + ` module.exports = { default: { run: async (input, env, ctx) => { const before = a.getStore() ?? null; ` + c.body + `; return before } } };`
		sync := strings.ReplaceAll(strings.Replace(source, "run: async", "run:", 1), "await 0;", "")
		for _, source := range []string{source, sync} {
			if strings.Contains(source, "run: (") && strings.Contains(source, "await new") && !strings.Contains(source, "async () =>") {
				continue
			}
			require.Empty(t, n.load(1, source).Code, c.name)
			for range 3 {
				n.run(1, `{"fails":true}`)
				r := n.run(1, `{}`)
				require.Empty(t, r.Code, "%s: %s", c.name, r.Message)
				require.JSONEq(t, `null`, string(r.Body), c.name)
			}
		}
		require.Empty(t, n.load(1, `module.exports = { default: { run: () => { const a = new AsyncLocalStorage(); a.run(1, () => 1); return a.getStore() ?? null } } };`).Code)
		require.JSONEq(t, `null`, string(n.run(1, `{}`).Body))
	}
}

// Nor is a store of the module's own code, whether that awaits or not.
func TestAsyncContextOfTheTopLevel(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, top := range []string{`a.enterWith("load")`, `a.enterWith("load"); await 0`, `await 0; a.enterWith("load")`, `await a.run("load", async () => { await 0; a.enterWith("more") })`} {
		require.Empty(t, n.loadSource(1, `const a = new AsyncLocalStorage(); `+top+`; export default { run: () => a.getStore() ?? null }`).Code)
		for range 2 {
			r := n.run(1, "null")
			require.Empty(t, r.Code, r.Message)
			require.Equal(t, "null", string(r.Body), top)
		}
	}
}

// What the node brings about runs in the context in which the script asked for it.
func TestAsyncContextOfWhatComesFromOutside(t *testing.T) {
	t.Parallel()
	const top = `const {kv} = require("jsruntime"); const {AsyncLocalStorage} = require("node:async_hooks"); const a = new AsyncLocalStorage();
		module.exports = { default: { async fetch(request, env, ctx) {`
	t.Run("host calls, waitUntil and a streamed response", func(t *testing.T) {
		t.Parallel()
		n, puts := kvNode(t, top+`
			const out = [];
			await a.run("kv", async () => { await kv.get("x"); out.push(a.getStore()); });
			a.run("later", () => ctx.waitUntil((async () => { await kv.get("y"); await kv.put("store", a.getStore()); })()));
			return a.run("made", () => { let i = 0; return new Response(new ReadableStream({
				async pull(c) { await kv.get("z"); out.push(a.getStore()); if (++i === 3) { c.enqueue(new TextEncoder().encode(out.join())); c.close(); } else c.enqueue(new Uint8Array(0)); } }, { highWaterMark: 0 })); });
		} } };`)
		n.send(n.requestOf(1))
		r := n.result()
		require.Empty(t, r.Code, r.Message)
		require.Equal(t, "kv,made,made,made", string(n.body))
		require.Len(t, *puts, 1)
		require.Contains(t, (*puts)[0], `"later"`)
	})
	t.Run("signal and cancel", func(t *testing.T) {
		t.Parallel()
		n, puts := kvNode(t, top+`
			a.run("listener", () => ctx.signal.addEventListener("abort", () => { const t = new EventTarget(); a.run("other", () => t.addEventListener("x", () => kv.put("nested", a.getStore()))); t.dispatchEvent(new Event("x")); kv.put("abort", a.getStore()); }));
			a.run("handler", () => { ctx.signal.onabort = () => kv.put("onabort", a.getStore()); });
			const alive = setInterval(() => {}, 1000);
			return a.run("stream", () => new Response(new ReadableStream({ async pull(c) { c.enqueue(new Uint8Array(10)); await kv.get("gate"); await new Promise(() => {}); }, cancel() { clearInterval(alive); return kv.put("cancel", a.getStore()); } }, { highWaterMark: 0 })));
		} } };`)
		reply := n.calls
		n.calls = func(call wire.HostCall) []wire.Message {
			out := reply(call)
			if strings.Contains(string(call.Args), "gate") {
				out = append(out, &wire.Cancel{Seq: call.Seq, Code: "cancelled", Reason: "left", GraceMillis: graceMillis})
			}
			return out
		}
		n.send(n.requestOf(1))
		n.result()
		require.Len(t, *puts, 4)
		got := strings.Join(*puts, "\n")
		for _, want := range []string{`{"key":"cancel","value":"stream"`, `{"key":"nested","value":"listener"`, `{"key":"abort","value":"listener"`, `{"key":"onabort","value":"handler"`} {
			require.Contains(t, got, want)
		}
	})
}
