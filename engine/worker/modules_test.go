package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"jsruntime/engine/compile"
	"jsruntime/engine/internal/wire"
)

// loadSource compiles a source as the node does and loads it.
func (n *node) loadSource(slot uint32, source string) wire.Loaded {
	n.t.Helper()
	out, err := compile.Compile(n.t.Context(), compile.Input{Source: source, Handler: "run"})
	require.NoError(n.t, err, source)
	n.send(&wire.Load{Slot: slot, MaxMemory: 64 << 20, Name: "demo", Static: []byte(`{"scriptType":"oneoff"}`), Source: []byte(out.Compiled)})
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
		`try { await import("@scope/x") } catch (e) { return caught("@scope/x")(e) }`:                                                                                               importFails,
		`return import("./x.js").catch(caught("./x.js"))`:                                                                                                                           importFails,
		`return import("node:fs").then(() => 1, caught("node:fs"))`:                                                                                                                 importFails,
		`return import("./x.json", { with: { type: "json" } }).catch(caught("./x.json"))`:                                                                                           importFails,
		"return import(`./locale/${input}.js`).catch(caught('./locale/5.js'))":                                                                                                      importFails,
		"return import(/* name: \"import(\" */\r\n (('../x') + input)).catch(caught('../x5'))":                                                                                      importFails,
		"const a = import(`./a/${input}`), b = import(`./b/${input}`), c = import(`./a/${input}`); await a.catch(() => 0); await c.catch(() => 0); return b.catch(caught('./b/5'))": importFails,
		`return import("x" + input).catch(caught("x5"))`:                                                                                                                            requireFails,
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
	require.Contains(t, loaded.Stack, "demo.js")
}
