package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/internal/wire"
)

// loadSource compiles a source as the node does and loads it.
func (n *node) loadSource(slot uint32, source string) wire.Loaded {
	n.t.Helper()
	out, err := compile.Compile(n.t.Context(), compile.Input{Source: source, Handler: "run"})
	require.NoError(n.t, err, source)
	n.send(&wire.Load{Slot: slot, MaxMemory: 64 << 20, Name: "demo", Static: []byte(`{"scriptType":"oneoff"}`), Source: []byte(out.Compiled), SourceMap: out.SourceMap})
	k, p, err := n.r.Next()
	require.NoError(n.t, err)
	require.Equal(n.t, wire.KindLoaded, k)
	m, err := wire.ParseLoaded(p)
	require.NoError(n.t, err)
	return m
}

// What is not in the upload fails where it is asked for, so that a script can go on without it.
func TestModulesThatAreNotThere(t *testing.T) {
	t.Parallel()
	const caught = "(name) => (e) => [e instanceof Error, e.code, e.message.includes(name), Object.keys(e)]"
	n := spawn(t).lease()
	const importFails, requireFails = `[true,"ERR_MODULE_NOT_FOUND",true,["code"]]`, `[true,"MODULE_NOT_FOUND",true,["code"]]`
	for source, want := range map[string]string{
		`const name = "@scope/x"; try { await import(name) } catch (e) { return caught(name)(e) }`:                                                                                  importFails,
		`try { await import("@scope/x") } catch (e) { return caught("@scope/x")(e) }`:                                                                                               importFails,
		`return import("./x.js").catch(caught("./x.js"))`:                                                                                                                           importFails,
		`return import("node:fs").then(() => 1, caught("node:fs"))`:                                                                                                                 importFails,
		`return import("./x.json", { with: { type: "json" } }).catch(caught("./x.json"))`:                                                                                           importFails,
		"return import(`./locale/${input}.js`).catch(caught('./locale/5.js'))":                                                                                                      importFails,
		"return import(/* name: \"import(\" */\r\n (('../x') + input)).catch(caught('../x5'))":                                                                                      importFails,
		"const a = import(`./a/${input}`), b = import(`./b/${input}`), c = import(`./a/${input}`); await a.catch(() => 0); await c.catch(() => 0); return b.catch(caught('./b/5'))": importFails,
		`return import("x" + input).catch(caught("x5"))`:                                                                                                                            importFails,
		`try { require("fs") } catch (e) { return caught("fs")(e) }`:                                                                                                                requireFails,
		"try { await import(`./${input}.js`) } catch (e) { return caught('./5.js')(e) }":                                                                                            importFails,
		"try { require(`./${input}.js`) } catch (e) { return caught('./5.js')(e) }":                                                                                                 requireFails,
		`const r = require; try { r("y") } catch (e) { return caught("y")(e) }`:                                                                                                     requireFails,
		`try { require.resolve("pg") } catch (e) { return caught("pg")(e) }`:                                                                                                        requireFails,
		`return [require.resolve("jsruntime"), typeof require("jsruntime").kv.get, typeof (await import("jsruntime")).kv.get]`:                                                      `["jsruntime","function","function"]`,
		`return [typeof import.meta, typeof import.meta.url, new URL("./a.wasm", import.meta.url).href, import.meta.env ?? null, import.meta === import.meta]`:                      `["object","string","file:///a.wasm",null,true]`,
		`import.meta.seen = 1; return [import.meta.seen, require.main === module, typeof require]`:                                                                                  `[1,false,"function"]`,
	} {
		loaded := n.loadSource(1, "const caught = "+caught+";\nexport default { async run(input) { "+source+" } }")
		require.Empty(t, loaded.Code, "%s: %s", source, loaded.Message)
		got := n.run(1, "5")
		require.Empty(t, got.Code, "%s: %s", source, got.Message)
		require.JSONEq(t, want, string(got.Body), source)
	}
}

// A module that the top level needs, and that is not there, is named by the failure to load.
func TestModuleThatTheTopLevelNeeds(t *testing.T) {
	t.Parallel()
	loaded := spawn(t).lease().loadSource(1, `const fs = require("node:fs"); export default { run() { return fs } }`)
	require.Equal(t, "boot_error", loaded.Code)
	require.Contains(t, loaded.Message, "node:fs")
	require.Contains(t, loaded.Stack, "demo.ts")
}

// A script with a top-level await is loaded within its first execution, and may call the node there.
func TestTopLevelAwait(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	asked := 0
	n.calls = func(c wire.HostCall) []wire.Message {
		asked++
		require.Equal(t, "kv.get", c.Method)
		return []wire.Message{&wire.HostReply{Call: c.Call, Seq: c.Seq, OK: true, Payload: []byte(`{"present":true,"value":"kept"}`)}}
	}
	require.Empty(t, n.loadSource(1, `
		import { kv } from "jsruntime";
		let loads = 0, runs = 0;
		const kept = await kv.get("k");
		await new Promise((done) => setTimeout(done, 5));
		for await (const n of [1, Promise.resolve(2)]) loads += n;
		const optional = await import("x").catch((e) => e.code);
		export default { run(input) { return [kept, loads, optional, input, ++runs] } };`).Code)
	require.Zero(t, asked)
	for i := range 3 {
		got := n.run(1, `"in"`)
		require.Empty(t, got.Code, got.Message)
		require.JSONEq(t, fmt.Sprintf(`["kept",3,"ERR_MODULE_NOT_FOUND","in",%d]`, i+1), string(got.Body))
	}
	require.Equal(t, 1, asked)

	// The request's body is kept meanwhile.
	out, err := compile.Compile(t.Context(), compile.Input{Handler: "fetch", Source: `
		import { kv } from "jsruntime";
		const kept = await kv.get("k");
		export default { async fetch(request) { return new Response(kept + new Uint8Array(await request.arrayBuffer())) } }`})
	require.NoError(t, err)
	n.send(&wire.Load{Slot: 2, MaxMemory: 64 << 20, Name: "demo", Static: []byte(`{"scriptType":"http"}`), Source: []byte(out.Compiled)})
	_, _, err = n.r.Next()
	require.NoError(t, err)
	n.send(n.fetchOf(2, "POST", "http://acme.test/", nil, "\xff\x00"))
	got := n.result()
	require.Equal(t, "kept255,0", string(got.Body), got.Message)
}

// A top level that fails is the script's failure, and what it has done is not there when it is loaded again.
func TestTopLevelAwaitFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, code, message string }{
		"throws":            {`await 1; throw new TypeError("no config")`, "boot_error", "TypeError: no config"},
		"rejects":           {`await Promise.reject(new Error("down"))`, "boot_error", "Error: down"},
		"throws at once":    {`null.x; await 1`, "boot_error", "null"},
		"rejects beside":    {`Promise.reject(new Error("beside")); await new Promise((done) => setTimeout(done, 10))`, "boot_error", "Error: beside"},
		"misses a module":   {`await import("pg")`, "boot_error", "Cannot find module 'pg'"},
		"never settles":     {`await new Promise(() => {})`, "boot_error", "top-level await of the script can never settle"},
		"takes too long":    {`await new Promise((done) => setTimeout(done, 60_000))`, "exceeded_wall_time", "max_execution_time_ms"},
		"loops":             {`await 1; for (;;);`, "exceeded_wall_time", "max_execution_time_ms"},
		"exports a number":  {`await 1; export { n as default }; const n = 1`, "boot_error", "no default export"},
		"waits for a timer": {`setInterval(() => 0, 10); await new Promise(() => {})`, "exceeded_wall_time", "max_execution_time_ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := spawn(t).lease()
			source := "globalThis.loads = (globalThis.loads ?? 0) + 1;\n" + c.source
			if !strings.Contains(source, "export") {
				source += "; export default { run() {} }"
			}
			for range 2 {
				require.Empty(t, n.loadSource(1, source).Code)
				m := n.runOf(1, "null")
				m.WallMillis = 400
				n.send(m)
				got := n.result()
				require.Equal(t, c.code, got.Code, got.Message)
				require.Contains(t, got.Message, c.message)
				require.Equal(t, c.code == "boot_error" || name == "loops", got.Condemned)
			}
		})
	}

	// An execution that ends before its script is loaded leaves the loading to the next one.
	n := spawn(t).lease()
	require.Empty(t, n.loadSource(1, `
		let loads = globalThis.loads = (globalThis.loads ?? 0) + 1;
		if (loads === 1) await new Promise((done) => setTimeout(done, 60_000));
		else await 1;
		export default { run() { return loads } }`).Code)
	m := n.runOf(1, "null")
	m.WallMillis = 50
	n.send(m)
	require.Equal(t, "exceeded_wall_time", n.result().Code)
	got := n.run(1, "null")
	require.Empty(t, got.Code, got.Message)
	require.Equal(t, "2", string(got.Body))
}
