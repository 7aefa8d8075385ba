package worker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nodeCases are bodies of a function that has imported what uses asks for, and what Node 20 answers.
var nodeCases = []struct{ name, uses, body, want string }{
	{"buffer", `import { Buffer, Blob as B, isUtf8, constants } from "node:buffer"; import buffer from "buffer";`, `
		const text = "h\u00e9llo \u{1F600} " + "x".repeat(100), b = Buffer.from(text);
		return [b.length, b.toString() === text, b.toString("base64").slice(0, 16), Buffer.from("-_-_", "base64url").toString("hex"), Buffer.from("fbff", "hex").toString("base64url"),
			Buffer.concat([Buffer.from("a"), Buffer.alloc(2, "z")]).toString(), Buffer.byteLength("\u00e9"), Buffer.isEncoding("base64url"), Buffer.compare(Buffer.from([1]), Buffer.from([2])),
			b.subarray(0, 3) instanceof Buffer, b instanceof Uint8Array, Buffer.from([1, 2, 3, 4]).readUInt32BE(), JSON.stringify(Buffer.from("hi")), b.indexOf("llo"), B === Blob, isUtf8(new Uint8Array([255])),
			buffer.Buffer === Buffer, Buffer.from("\ud800" + "y".repeat(80)).toString("hex").slice(0, 8), Buffer.from(new Uint8Array(80).fill(255)).toString().length, constants.MAX_LENGTH > 1e9,
			Buffer.from("aGk", "base64").toString("latin1"), Buffer.from("test").equals(new Uint8Array([116, 101, 115, 116])), typeof Buffer.from(new ArrayBuffer(8), 2, 4).readDoubleLE]`,
		`[112,true,"aMOpbGxvIPCfmIAg","fbffbf","-_8","azz",2,true,-1,true,true,16909060,"{\"type\":\"Buffer\",\"data\":[104,105]}",3,true,false,true,"efbfbd79",80,true,"hi",true,"function"]`},
	{"events", `import { EventEmitter, once, on, errorMonitor, getEventListeners } from "node:events"; import Default from "events";`, `
		class App extends EventEmitter {} const app = new App(), seen = [];
		app.once("a", (...x) => seen.push(["once", ...x])).on("a", (x) => seen.push(["on", x])).prependListener("a", () => seen.push("first"));
		app.emit("a", 1, 2); app.emit("a", 3); app.on(errorMonitor, (e) => seen.push("monitor " + e.message));
		try { app.emit("error", new Error("none listens")); } catch (e) { seen.push(e.message); }
		setTimeout(() => app.emit("later", "x"), 1); seen.push(await once(app, "later"));
		const steps = []; setTimeout(() => { app.emit("n", 1); app.emit("n", 2); app.emit("n", 3); }, 1); for await (const [n] of on(app, "n")) { steps.push(n); if (n === 3) break; }
		const ac = new AbortController(); const waits = once(app, "never", { signal: ac.signal }).catch((e) => e.name + " " + e.code); ac.abort();
		return [seen, steps, await waits, app.listenerCount("a"), app.eventNames().map(String), getEventListeners(app, "a").length, Default === EventEmitter, Default.EventEmitter === EventEmitter, EventEmitter.defaultMaxListeners]`,
		`[["first",["once",1,2],["on",1],"first",["on",3],"monitor none listens","none listens",["x"]],[1,2,3],"AbortError ABORT_ERR",2,["a","Symbol(events.errorMonitor)"],2,true,true,10]`},
	{"util", `import util, { promisify, inspect, format, isDeepStrictEqual, types, inherits, callbackify, deprecate, TextEncoder as TE } from "node:util";`, `
		function Old() {} function Base() {} Base.prototype.hi = () => "hi"; inherits(Old, Base);
		const read = (x, cb) => setTimeout(() => cb(x < 0 ? new Error("neg") : null, x * 2), 1);
		return [await promisify(read)(4), await promisify(read)(-1).catch((e) => e.message), await promisify(setTimeout)(1, "t"), new Old().hi(), format("%s is %d, %j", "a", 42, { b: 1 }, [1]), inspect({ a: { b: { c: { d: 1 } } }, m: new Map([[1, "x"]]) }),
			inspect({ a: { b: { c: 1 } } }, { depth: 0 }), isDeepStrictEqual({ a: [1, new Set([2])] }, { a: [1, new Set([2])] }), isDeepStrictEqual([1], ["1"]), types.isPromise(Promise.resolve()), types.isRegExp(/x/), types.isUint8Array(new Uint8Array()), types.isAsyncFunction(async () => 1),
			await new Promise((r) => callbackify(async () => 7)((e, v) => r([e, v]))), deprecate(() => 3, "old")(), TE === TextEncoder, util.isArray([]), promisify.custom === Symbol.for("nodejs.util.promisify.custom"), util.stripVTControlCharacters("\u001b[31mred\u001b[0m"), util.types === types]`,
		`[8,"neg","t","hi","a is 42, {\"b\":1} [ 1 ]","{ a: { b: { c: [Object] } }, m: Map(1) { 1 => 'x' } }","{ a: [Object] }",true,false,true,true,true,true,[null,7],3,true,true,true,"red",true]`},
	{"path", `import path, { join, basename } from "node:path"; import posix from "path/posix";`,
		`return [join("/a", "../b", "c.txt"), basename("/x/y.html", ".html"), path.extname("a.b.c"), path.resolve("/a", "b", "../c"), path.relative("/a/b", "/a/c/d"), path.parse("/home/u/f.txt"), path.normalize("/a//b/./c/.."), path.isAbsolute("x"), path.sep, posix.join("a", "b"), path.format({ dir: "/d", base: "b" })]`,
		`["/b/c.txt","y",".c","/a/c","../c/d",{"root":"/","dir":"/home/u","base":"f.txt","ext":".txt","name":"f"},"/a/b",false,"/","a/b","/d/b"]`},
	{"url", `import { fileURLToPath, pathToFileURL, URL as U, parse, format, urlToHttpOptions } from "node:url"; import url from "url";`,
		`return [fileURLToPath("file:///a%20b/c"), pathToFileURL("/x y/#z%").href, U === URL, parse("https://u:p@h.test:8080/p/a?x=1#f").pathname, parse("/p?x=1", true).query.x, url.resolve("http://a.test/b/c", "../d"), format({ protocol: "http", host: "h.test", pathname: "/p", query: { a: 1 } }), format(new URL("http://a.test/x#y"), { fragment: false }), urlToHttpOptions(new URL("http://a.test:81/x?y")).path, (() => { try { fileURLToPath("http://x") } catch (e) { return e.code } })()]`,
		`["/a b/c","file:///x%20y/%23z%25",true,"/p/a","1","http://a.test/d","http://h.test/p?a=1","http://a.test/x","/x?y","ERR_INVALID_URL_SCHEME"]`},
	{"querystring", `import qs, { parse, stringify } from "node:querystring";`,
		`return [parse("a=1&b=2&a=3&c=%20x"), stringify({ a: [1, 2], b: "x y", c: true }), qs.escape("a b&c"), qs.unescape("%41%zz"), parse("a:1;b:2", ";", ":"), qs.decode === qs.parse]`,
		`[{"a":["1","3"],"b":"2","c":" x"},"a=1&a=2&b=x%20y&c=true","a%20b%26c","A%zz",{"a":"1","b":"2"},true]`},
	{"string_decoder", `import { StringDecoder } from "node:string_decoder";`,
		`const d = new StringDecoder("utf8"); return [d.write(Buffer.from([0xe2, 0x82])), d.write(Buffer.from([0xac])), d.end(Buffer.from([0xe2])), new StringDecoder("base64").write(Buffer.from("abcd"))]`,
		`["","€","�","YWJj"]`},
	{"assert", `import assert, { strictEqual, AssertionError } from "node:assert"; import strict from "node:assert/strict";`, `
		const fails = (f) => { try { f(); return "passed" } catch (e) { return [e instanceof AssertionError, e.code, e.name] } };
		assert(true); assert.ok(1); strictEqual(1, 1); assert.deepStrictEqual({ a: [1] }, { a: [1] }); assert.throws(() => { throw new TypeError("x") }, TypeError); await assert.rejects(Promise.reject(new Error("no")), /no/); assert.match("abc", /b/);
		return [fails(() => assert.equal(1, 2)), fails(() => strict.equal(1, "1")), fails(() => assert.deepEqual([1], [2])), fails(() => assert.fail("m")), fails(() => assert.notStrictEqual(1, 1)), fails(() => assert.equal(1, "1")), fails(() => assert(0, "zero"))]`,
		`[[true,"ERR_ASSERTION","AssertionError"],[true,"ERR_ASSERTION","AssertionError"],[true,"ERR_ASSERTION","AssertionError"],[true,"ERR_ASSERTION","AssertionError"],[true,"ERR_ASSERTION","AssertionError"],"passed",[true,"ERR_ASSERTION","AssertionError"]]`},
	{"stream", `import { Readable, Writable, Transform, PassThrough, Duplex, pipeline as pipe } from "node:stream"; import { pipeline, finished } from "node:stream/promises"; import Stream from "stream"; import { text, json } from "node:stream/consumers";`, `
		const up = new Transform({ transform(chunk, enc, done) { done(null, chunk.toString().toUpperCase()) } }), out = [];
		await pipeline(Readable.from(["a", "b", "c"]), up, new Writable({ write(c, e, done) { out.push(c.toString()); done() } }));
		const failed = await pipeline(new Readable({ read() { this.destroy(new Error("broken")) } }), new PassThrough()).catch((e) => e.message);
		const web = await new Response(Readable.toWeb(Readable.from([Buffer.from("web")]))).text();
		const back = []; for await (const c of Readable.fromWeb(new Blob(["abc"]).stream())) back.push(c.toString());
		const sink = []; const w = Writable.fromWeb(new WritableStream({ write(c) { sink.push(String(c)) } })); w.end("x"); await finished(w);
		const objects = await Readable.from([1, 2, 3]).map((x) => x * 2).toArray();
		return [out.join(""), failed, web, back.join(""), sink, objects, await text(Readable.from(["x", "y"])), await json(Readable.from(['{"a":', "1}"])), Stream.Readable === Readable, typeof Stream, await new Promise((r) => pipe(Readable.from(["q"]), new PassThrough(), (e) => r(e ?? null)).resume())]`,
		`["ABC","broken","web","abc",["x"],[2,4,6],"xy",{"a":1},true,"function",null]`},
	{"crypto", `import crypto, { createHash, createHmac, randomBytes, timingSafeEqual, randomUUID, pbkdf2Sync, scryptSync, hkdfSync, randomInt, webcrypto } from "node:crypto"; import { Buffer } from "node:buffer";`, `
		const h = (a) => createHash(a).update("ab").update(Buffer.from("c")).digest("hex"), c = createHash("sha256").update("a"), copy = c.copy();
		const code = (f) => { try { f(); return "passed" } catch (e) { return e.code } };
		return [h("md5"), h("sha1"), h("SHA-256".replace("-", "")), h("sha512").slice(0, 16), h("sha384").slice(0, 16), h("sha512-256").slice(0, 16), h("sha3-256").slice(0, 16), h("ripemd160"), createHmac("sha256", "key").update("data").digest("base64url"),
			createHmac("sha1", Buffer.from("k")).update("d").digest("base64"), c.digest("hex") === copy.digest("hex"), randomBytes(100_000).length, randomBytes(8).equals(randomBytes(8)), timingSafeEqual(Buffer.from("ab"), new Uint8Array([97, 98])), code(() => timingSafeEqual(Buffer.from("a"), Buffer.from("ab"))),
			/^[0-9a-f-]{36}$/.test(randomUUID()), pbkdf2Sync("pw", "salt", 1000, 32, "sha512").toString("hex"), scryptSync("pw", "salt", 16, { N: 1024 }).toString("hex"), Buffer.from(hkdfSync("sha256", "key", "salt", "info", 16)).toString("hex"), randomInt(5) < 5, randomInt(3, 4),
			code(() => c.update("x")), code(() => createHmac("nope", "k")), webcrypto.subtle === globalThis.crypto.subtle, crypto.getHashes().includes("sha256"), await new Promise((r) => crypto.pbkdf2("p", "s", 1, 4, "sha1", (e, k) => r([e, k.toString("hex")]))), createHash("sha256").digest().length]`,
		`["900150983cd24fb0d6963f7d28e17f72","a9993e364706816aba3e25717850c26c9cd0d89d","ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","ddaf35a193617aba","cb00753f45a35e8b","53048e2681941ef9","3a985da74fe225b2","8eb208f7e05d987a9b044a8e98c6b087f15a0bfc","UDH-PZicbRU3oBP6bnOdojRj_a7DtwE32Cjjas4iG9A","K5DkHnwMyOL3XAKRDDiZzEaLoxY=",true,100000,false,true,"ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH",true,"dba2956d5d8f05e6f06dc9732ca6037d32a4fcbcdde4b35e62594b632d059275","9f1f8695838e682c1689750f45a69fb9","9ca0d662557439e3b83365f2da4626d3",true,3,"ERR_CRYPTO_HASH_FINALIZED","ERR_CRYPTO_INVALID_DIGEST",true,true,[null,"843c87e7"],32]`},
	{"async_hooks", `import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"; import { AsyncLocalStorage as Bare } from "async_hooks";`,
		`const als = new AsyncLocalStorage(); return [await als.run("store", async () => { await 1; return als.getStore() }), als.getStore() ?? null, Bare === AsyncLocalStorage, typeof AsyncResource]`,
		`["store",null,true,"function"]`},
}

// The modules of Node that a script may import answer as Node does: where one is installed, it is asked.
func TestNodeModules(t *testing.T) {
	t.Parallel()
	node, _ := exec.LookPath("node")
	n := spawn(t).lease()
	for i, c := range nodeCases {
		loaded := n.loadSource(uint32(i%4+1), `import { Buffer } from "node:buffer";`+strings.ReplaceAll(c.uses, "{ Buffer, ", "{ ")+"export default { async run() { "+c.body+" } }")
		require.Empty(t, loaded.Code, "%s: %s", c.name, loaded.Message)
		m := n.runOf(uint32(i%4+1), "null")
		m.WallMillis = 20_000
		n.send(m)
		got := n.result()
		assert.Empty(t, got.Code, "%s: %s\n%s", c.name, got.Message, got.Stack)
		want := c.want
		if node != "" {
			file := filepath.Join(t.TempDir(), c.name+".mjs")
			require.NoError(t, os.WriteFile(file, []byte(c.uses+"const answer = await (async () => {"+c.body+"})(); console.log(JSON.stringify(answer))"), 0o600))
			out, err := exec.CommandContext(t.Context(), node, file).Output()
			require.NoError(t, err, c.name+string(out))
			want = strings.TrimSpace(string(out))
		}
		assert.JSONEq(t, want, string(got.Body), c.name)
	}
}

// A module of Node is the same one however it is asked for.
func TestNodeModulesByOtherWays(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for source, want := range map[string]string{
		`import E from "node:events"; export default { async run() { const R = require("events"), D = await import("events"); class X extends R {} return [E === R, D.default === R, D.once === R.once, new X() instanceof E] } }`:                                         `[true,true,true,true]`,
		`const { Buffer } = require("buffer"); await 1; module.exports = { run() { return require("crypto").createHash("sha1").update(Buffer.from("a")).digest("hex").slice(0, 8) } }`:                                                                                     `"86f7e437"`,
		`import { AsyncLocalStorage } from "node:async_hooks"; import { inspect } from "util"; const als = new AsyncLocalStorage(); const top = await als.run(1, async () => { await 0; return als.getStore() }); export default { run() { return [top, inspect([1])] } }`: `[1,"[ 1 ]"]`,
		`export default { async run() { try { return (await import("node:path")).default.join("a", "b") } catch (e) { return e.code } } }`:                                                                                                                                 `"a/b"`,
		`import assert from "assert"; export default { run() { try { assert.deepStrictEqual({ a: 1 }, { a: 2 }) } catch (e) { return [e.message.includes("a: 1"), e.stack.includes("demo.ts:1:")] } } }`:                                                                   `[true,true]`,
	} {
		require.Empty(t, n.loadSource(1, source).Code, source)
		m := n.runOf(1, "null")
		m.WallMillis = 20_000
		n.send(m)
		got := n.result()
		require.Empty(t, got.Code, "%s: %s", source, got.Message)
		require.JSONEq(t, want, string(got.Body), source)
	}
}

// CommonJS that a bundler has put into an ES module asks for modules of Node by a function of the bundler's.
func TestNodeModulesThatBundlersRequire(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	const source = `
		const { createHash } = require("crypto"), { EventEmitter } = require("node:events");
		let optional; try { optional = require("pg-native") } catch (e) { optional = e.code }
		module.exports = { hash: (x) => createHash("sha1").update(x).digest("hex").slice(0, 8), EventEmitter, optional };`
	for _, minify := range []bool{false, true} {
		for _, awaits := range []string{"", "await 1; "} {
			built := api.Build(api.BuildOptions{
				Stdin: &api.StdinOptions{Contents: awaits + `import { hash, EventEmitter, optional } from "cjs"; export default { run(input) { return [hash("a"), new EventEmitter().on("x", () => 0).listenerCount("x"), optional] } }`},
				Plugins: []api.Plugin{{Name: "cjs", Setup: func(b api.PluginBuild) {
					b.OnResolve(api.OnResolveOptions{Filter: "^cjs$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
						return api.OnResolveResult{Path: "cjs", Namespace: "cjs"}, nil
					})
					b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "cjs"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
						text := source
						return api.OnLoadResult{Contents: &text}, nil
					})
				}}},
				Bundle: true, Format: api.FormatESModule, External: append([]string{"pg-native"}, nodeExternals...), LogLevel: api.LogLevelSilent,
				MinifyWhitespace: minify, MinifySyntax: minify, MinifyIdentifiers: minify,
			})
			require.Empty(t, built.Errors)
			bundled := string(built.OutputFiles[0].Contents)
			require.Contains(t, bundled, "Dynamic require of")
			require.Empty(t, n.loadSource(1, bundled).Code)
			got := n.run(1, "null")
			require.Empty(t, got.Code, got.Message)
			require.JSONEq(t, `["86f7e437",1,"MODULE_NOT_FOUND"]`, string(got.Body))
		}
	}
}
