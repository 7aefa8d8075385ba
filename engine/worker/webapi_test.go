package worker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// Each case is a run handler's body and the JSON that it returns. The web-platform-tests cover the same ground in breadth
// (engine/internal/webapi/wpt); these run everywhere and stand for what scripts rely on most.
func TestWebAPI(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct{ name, body, want string }{
		{"headers combine and sort", `const h = new Headers([["B", "2"], ["a", "1"], ["b", "3"], ["Set-Cookie", "x=1"], ["set-cookie", "y=2"]]);
			return [[...h], h.get("B"), h.getSetCookie(), h.has("A")]`,
			`[[["a","1"],["b","2, 3"],["set-cookie","x=1"],["set-cookie","y=2"]],"2, 3",["x=1","y=2"],true]`},
		{"headers refuse", `const out = []; for (const f of [() => new Headers([["a"]]), () => new Headers({"a b": "c"}), () => new Headers({a: "b\nc"}), () => new Headers({a: "€"})]) try { f(); out.push("no") } catch (e) { out.push(e instanceof TypeError) } return out`,
			`[true,true,true,true]`},
		{"request", `const r = new Request("HTTP://Example.com/a/../b?c#d", {method: "post", body: new URLSearchParams({a: "1 2"}), headers: {"X-A": "b"}});
			const c = r.clone(); return [r.method, r.url, r.headers.get("content-type"), await r.text(), r.bodyUsed, c.bodyUsed, await c.formData().then(f => f.get("a"))]`,
			`["POST","http://example.com/b?c#d","application/x-www-form-urlencoded;charset=UTF-8","a=1+2",true,false,"1 2"]`},
		{"response", `const r = Response.json({a: 1}, {status: 201}); const e = await new Response("x").text().then(() => r.text());
			return [r.status, r.ok, r.headers.get("content-type"), e, await r.text().catch(e => e.name), Response.redirect("https://a.test/b", 307).headers.get("location"), Response.error().type]`,
			`[201,true,"application/json","{\"a\":1}","TypeError","https://a.test/b","error"]`},
		{"response without a body", `const out = []; for (const s of [204, 304, 199, 600]) try { new Response("x", {status: s}); out.push("no") } catch (e) { out.push(e.name) } return out`,
			`["TypeError","TypeError","RangeError","RangeError"]`},
		{"url", `const u = new URL("../x?y=1#z", "https://user:p%40@Bücher.example:443/a/b/c"); u.searchParams.append("q", "ä &"); u.port = "8443"; u.hash = "";
			return [u.href, u.origin, URL.canParse("x:"), URL.parse("nope"), new URL("http://0x7f.1/").hostname, new URL("http://[::ffff:1.2.3.4]/").host]`,
			`["https://user:p%40@xn--bcher-kva.example:8443/a/x?y=1&q=%C3%A4+%26","https://xn--bcher-kva.example:8443",true,null,"127.0.0.1","[::ffff:102:304]"]`},
		{"url search params", `const p = new URLSearchParams("?b=1&a=2&b=%F0%9F%92%A9&c"); p.sort(); p.delete("b", "1"); return [p.toString(), p.size, [...p.keys()], p.get("b"), p.getAll("x")]`,
			`["a=2&b=%F0%9F%92%A9&c=",3,["a","b","c"],"💩",[]]`},
		{"url pattern", `const p = new URLPattern("/books/:id(\\d+)/*?", "https://a.test"); const m = p.exec("https://a.test/books/42/x/y");
			return [m.pathname.groups, p.test("https://a.test/books/x"), p.pathname, p.hasRegExpGroups]`,
			`[{"0":"x/y","id":"42"},false,"/books/:id(\\d+)/*?",true]`},
		{"encoding", `const e = new TextEncoder(), d = new TextDecoder(); const b = e.encode("aé€😀\ud800"); const s = new TextDecoder("utf-8", {fatal: true});
			let fatal; try { s.decode(new Uint8Array([255])) } catch (e) { fatal = e.name }
			const part = new TextDecoder(); const streamed = part.decode(b.slice(0, 4), {stream: true}) + part.decode(b.slice(4));
			return [[...b].slice(0, 6), d.decode(b), fatal, streamed === d.decode(b), new TextDecoder("windows-1252").decode(new Uint8Array([0x80])), new TextDecoder("utf-16le").decode(new Uint8Array([65, 0])), btoa(atob("aGk=")), e.encode("x".repeat(9000)).length]`,
			`[[97,195,169,226,130,172],"aé€😀�","TypeError",true,"€","A","aGk=",9000]`},
		{"timers", `const out = []; await new Promise(r => { setTimeout(() => out.push(2), 5); setTimeout((a) => { out.push(a); queueMicrotask(() => out.push("m")); }, 0, 1); const i = setInterval(() => { out.push("i"); clearInterval(i); setTimeout(r, 10) }, 1); clearTimeout(setTimeout(() => out.push("never"), 0)) }); return out.sort()`,
			`[1,2,"i","m"]`},
		{"abort", `const c = new AbortController(), out = []; const any = AbortSignal.any([c.signal]); any.addEventListener("abort", e => out.push(e.type, any.reason.name), {once: true}); c.abort();
			const t = AbortSignal.timeout(1); await new Promise(r => t.onabort = r); let thrown; try { t.throwIfAborted() } catch (e) { thrown = [e.name, e instanceof DOMException] } return [out, thrown]`,
			`[["abort","AbortError"],["TimeoutError",true]]`},
		{"events", `const t = new EventTarget(), out = []; t.addEventListener("a", { handleEvent(e) { out.push(this !== t, e.detail) } }); t.addEventListener("a", e => { e.preventDefault(); e.stopImmediatePropagation() }); t.addEventListener("a", () => out.push("never"));
			return [t.dispatchEvent(new CustomEvent("a", {cancelable: true, detail: 1})), out]`, `[false,[true,1]]`},
		{"structured clone", `const a = {d: new Date(0), m: new Map([[1, {x: 1n}]]), s: new Set(["a"]), r: /x/gi, e: new RangeError("r"), u: new Uint8Array([1, 2]), n: undefined}; a.self = a;
			const c = structuredClone(a); const buf = new ArrayBuffer(8); const moved = structuredClone({buf}, {transfer: [buf]}); let err; try { structuredClone(() => 1) } catch (e) { err = e.name }
			return [c.self === c, c.d.getTime(), c.m.get(1).x === 1n, c.s.has("a"), String(c.r), c.e instanceof RangeError && c.e.message, [...c.u], "n" in c, buf.byteLength, moved.buf.byteLength, err]`,
			`[true,0,true,true,"/x/gi","r",[1,2],true,0,8,"DataCloneError"]`},
		{"streams", `const out = []; const r = new ReadableStream({start(c) { c.enqueue("a"); c.enqueue("b"); c.close() }}).pipeThrough(new TransformStream({transform(x, c) { c.enqueue(x.toUpperCase()) }}));
			const [p, q] = r.tee(); for await (const x of p) out.push(x); await q.pipeTo(new WritableStream({write(x) { out.push(x + "w") }}));
			const b = new ReadableStream({type: "bytes", pull(c) { c.byobRequest.view[0] = 7; c.byobRequest.respond(1) }}).getReader({mode: "byob"}); out.push([...(await b.read(new Uint8Array(4))).value]);
			for await (const x of ReadableStream.from([1, 2])) out.push(x); return out`, `["A","B","Aw","Bw",[7],1,2]`},
		{"blob, file and form", `const f = new FormData(); f.append("t", "ü\n"); f.append("f", new File(["abc"], "a\"b.txt", {type: "text/plain"}));
			const back = await new Response(f).formData(); const file = back.get("f"); const b = new Blob(["ab", new Uint8Array([99]), new Blob(["d"])], {type: "X/Y"});
			return [back.get("t"), file.name, file.type, await file.text(), b.size, b.type, await b.slice(1, -1).text(), (await new Response(b.stream()).bytes()).length]`,
			`["ü\r\n","a\"b.txt","text/plain","abc",4,"x/y","bc",4]`},
		{"dispositions of a form", `const parse = async (line) => { try {
				const f = await new Response("--b\r\nContent-Disposition: " + line + "\r\n\r\nv\r\n--b--\r\n", { headers: { "content-type": "multipart/form-data; boundary=b" } }).formData();
				const [[k, v]] = [...f]; return typeof v === "string" ? [k] : [k, v.name];
			} catch (e) { return e.name } };
			return Promise.all([
				'form-data; name="x; filename=y"', 'form-data; name="dir\\"; filename="a.bin"', 'form-data; name="a\\"b"', 'form-data; name="%22%0D%0a%25"; filename="%22.txt"',
				'form-data; name="n"; filename="c:\\dir\\f.txt"', 'form-data; filename="f;name=z"; name="n"', 'FORM-DATA ;NAME = n ;FileName=f', 'form-data; name=""; filename=""', 'form-data; xname="a"; name="b"',
				'form-data; name="a"; name="b"', "form-data; name=\"n\"; filename*=UTF-8''%e2%82%ac%20.txt", 'form-data; name="n"; filename="é.txt"', 'form-data; name="n" junk; filename="f"', 'form-data; note="a; name=b"; name="c"',
				'form-data; filename="f"', 'form-datax; name="a"', 'attachment; name="a"', 'form-data; name="never ends',
			].map(parse))`,
			`[["x; filename=y"],["dir\\","a.bin"],["a\"b"],["\"\r\n%25","\".txt"],["n","c:\\dir\\f.txt"],["n","f;name=z"],["n","f"],["",""],["b"],["a"],["n","€ .txt"],["n","é.txt"],["n","f"],["c"],"TypeError","TypeError","TypeError",["never ends"]]`},
		{"names in a form go and come", `const names = ['a"b', "a\\", 'a\\"; filename="x', "a\r\nb", "a%22b", "; name=z", "é", ""]; const out = [];
			for (const n of names) { const f = new FormData(); f.append(n, "1"); f.append("f", new File(["x"], n)); const back = [...await new Response(f).formData()]; out.push(back[0][0] === n && back[1][1].name === n ? "" : back[0][0]); }
			return out`, `["","","","","a\"b","","",""]`},
		{"escapes of a form", `const p = new URLSearchParams("a=%C3%A9+%26&b=100%&c=%e9&d=%zz%41&=x&e&f=a=b&%00=%ED%A0%80&&g=\ud800");
			return [...p].map((x) => x.join(":"))`, `["a:é &","b:100%","c:�","d:%zzA",":x","e:","f:a=b","\u0000:���","g:�"]`},
		{"boundaries", `const parse = async (type, b) => { try { return [...await new Response("--" + b + '\r\ncontent-disposition: form-data; name="n"\r\n\r\nv\r\n--' + b + "--", { headers: { "content-type": type } }).formData()][0][1] } catch (e) { return e.name } };
			return [await parse('multipart/form-data; boundary="a; b=c"', "a; b=c"), await parse('Multipart/Form-Data; charset="x;boundary=no"; boundary=yes', "yes"), await parse('multipart/form-data; BOUNDARY="a\\"b"', 'a"b'),
				await parse("multipart/form-data; xboundary=no; boundary=yes", "yes"), await parse("multipart/form-data", "b"), await parse("multipart/form-data; boundary=", "b")]`,
			`["v","v","v","v","TypeError","TypeError"]`},
		{"compression", `const s = new Blob(["hello ".repeat(100)]).stream(); const z = await new Response(s.pipeThrough(new CompressionStream("gzip"))).bytes();
			const back = await new Response(new Blob([z]).stream().pipeThrough(new DecompressionStream("gzip"))).text(); const bad = await new Response(new Blob([z.slice(0, -4)]).stream().pipeThrough(new DecompressionStream("gzip"))).text().catch(e => e.name);
			return [z.length < 100, back.length, bad]`, `[true,600,"TypeError"]`},
		{"digest and hmac", `const e = new TextEncoder(), hex = b => [...new Uint8Array(b)].map(x => x.toString(16).padStart(2, "0")).join("");
			const k = await crypto.subtle.importKey("raw", e.encode("key"), {name: "HMAC", hash: "SHA-256"}, false, ["sign", "verify"]); const m = await crypto.subtle.sign("HMAC", k, e.encode("data"));
			return [hex(await crypto.subtle.digest("SHA-1", e.encode("abc"))), hex(m), await crypto.subtle.verify("HMAC", k, m, e.encode("data")), await crypto.subtle.verify("HMAC", k, m, e.encode("other")), await crypto.subtle.exportKey("raw", k).catch(e => e.name)]`,
			`["a9993e364706816aba3e25717850c26c9cd0d89d","5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0",true,false,"InvalidAccessError"]`},
		{"keys and ciphers", `const s = crypto.subtle, out = []; const data = new TextEncoder().encode("hush");
			const g = await s.generateKey({name: "AES-GCM", length: 256}, true, ["encrypt", "decrypt"]); const iv = crypto.getRandomValues(new Uint8Array(12)); const c = await s.encrypt({name: "AES-GCM", iv}, g, data);
			out.push(new TextDecoder().decode(await s.decrypt({name: "AES-GCM", iv}, g, c)), await s.decrypt({name: "AES-GCM", iv: new Uint8Array(12)}, g, c).catch(e => e.name));
			for (const a of [{name: "ECDSA", namedCurve: "P-256", hash: "SHA-256"}, {name: "Ed25519"}]) { const k = await s.generateKey(a, true, ["sign", "verify"]); const jwk = await s.exportKey("jwk", k.privateKey); const again = await s.importKey("jwk", jwk, a, false, ["sign"]); out.push(await s.verify(a, k.publicKey, await s.sign(a, again, data), data)) }
			const p = await s.importKey("raw", data, "PBKDF2", false, ["deriveBits"]); out.push((await s.deriveBits({name: "PBKDF2", salt: data, iterations: 10, hash: "SHA-512"}, p, 128)).byteLength);
			const [x, y] = [await s.generateKey({name: "ECDH", namedCurve: "P-384"}, false, ["deriveBits"]), await s.generateKey({name: "ECDH", namedCurve: "P-384"}, false, ["deriveBits"])];
			const b = k => btoa(String.fromCharCode(...new Uint8Array(k))); out.push(b(await s.deriveBits({name: "ECDH", public: y.publicKey}, x.privateKey, 384)) === b(await s.deriveBits({name: "ECDH", public: x.publicKey}, y.privateKey, 384))); return out`,
			`["hush","OperationError",true,true,16,true]`},
		{"what is off", `const out = [typeof WebAssembly, typeof SharedArrayBuffer]; for (const f of [() => eval("1"), () => new Function("return 1")()]) try { f(); out.push("ran") } catch (e) { out.push(e.name) } return out`,
			`["undefined","undefined","EvalError","EvalError"]`},
		{"globals", `return [self === globalThis, typeof performance.now(), navigator.userAgent, crypto.randomUUID().length, Object.prototype.toString.call(new Headers), reportError.length]`,
			`[true,"number","jsruntime",36,"[object Headers]",1]`},
		{"globals that the documentation lists", `return ["fetch", "Request", "Response", "Headers", "URL", "URLSearchParams", "URLPattern", "TextEncoder", "TextDecoder", "atob", "btoa", "AbortController", "AbortSignal", "Event", "EventTarget", "CustomEvent", "DOMException",
			"setTimeout", "setInterval", "clearTimeout", "clearInterval", "queueMicrotask", "structuredClone", "crypto", "performance", "console", "Blob", "File", "FormData", "ReadableStream", "WritableStream", "TransformStream", "navigator", "self", "globalThis",
			"AsyncLocalStorage", "MessageChannel", "MessagePort", "MessageEvent", "WebSocket", "ByteLengthQueuingStrategy", "CountQueuingStrategy", "CompressionStream", "DecompressionStream", "Crypto", "CryptoKey", "SubtleCrypto", "ErrorEvent", "PromiseRejectionEvent", "Performance",
			"TextEncoderStream", "TextDecoderStream", "reportError"].filter((k) => globalThis[k] === undefined)`, `[]`},
		{"globals are there before they are read", `const own = Object.getOwnPropertyNames(globalThis), attributes = (k) => { const d = Object.getOwnPropertyDescriptor(globalThis, k); return [typeof d.value, d.writable, d.enumerable, d.configurable].join(); };
			const before = ["fetch", "URL", "console"].map((k) => globalThis.hasOwnProperty(k) + "," + globalThis.propertyIsEnumerable(k)), keys = Object.keys(globalThis);
			fetch = 1; const deleted = delete globalThis.atob; Object.defineProperty(globalThis, "btoa", { value: 2 }); const kept = Blob; globalThis.Blob = kept;
			return [own.includes("fetch") && own.includes("Request"), before, keys.includes("setTimeout") && !keys.includes("Headers"), attributes("Headers"), attributes("setTimeout"), attributes("console"), attributes("crypto"), attributes("Blob"),
				attributes("fetch"), deleted, typeof atob, attributes("btoa"), (() => { "use strict"; URL = 3; return URL; })(), Object.getPrototypeOf(Object.getPrototypeOf(globalThis)) === Object.prototype]`,
			`[true,["true,true","true,false","true,false"],true,"function,true,false,true","function,true,true,true","object,true,false,true","object,true,true,true","function,true,false,true","number,true,true,true",true,"undefined","number,true,true,true",3,true]`},
		{"frozen globals", `Object.freeze(globalThis); return [new URL("https://a.test/b").host, typeof fetch, Object.isFrozen(globalThis), Object.getOwnPropertyDescriptor(globalThis, "Headers").writable]`, `["a.test","function",true,false]`},
		{"every global can be touched", `const out = []; let n = 0; for (const k of Object.getOwnPropertyNames(globalThis)) { n++; if (globalThis[k] === undefined && k !== "undefined") out.push(k); } return [out, n > 120]`, `[[],true]`},
	} {
		require.Empty(t, n.load(1, script(c.body)).Code, c.name)
		r := n.run(1, "{}")
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.JSONEq(t, c.want, string(r.Body), c.name)
	}
}

// A script that changes what the built-ins do changes nothing for our code, and gets no hold of it.
func TestWebAPITampering(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.loadAs(1, "http", 64<<20, `
		const seen = [];
		for (const C of [Array, String, Map, Set, WeakMap, Promise, RegExp, Uint8Array, Object.getPrototypeOf(Uint8Array), Function]) {
			for (const k of Object.getOwnPropertyNames(C.prototype)) {
				const d = Object.getOwnPropertyDescriptor(C.prototype, k);
				if (k === "constructor" || typeof d.value !== "function" || !d.configurable || (C === Promise && k === "then") || (C === Function && k === "toString")) continue;
				C.prototype[k] = function () { seen.push(C.name + "." + k); throw new Error("tampered with " + C.name + "." + k); };
			}
		}
		JSON.stringify = JSON.parse = Object.keys = Reflect.ownKeys = Reflect.apply = () => { throw new Error("tampered"); };
		globalThis.Headers = globalThis.URL = globalThis.TextEncoder = undefined;
		module.exports = { default: { async fetch(request) {
			const body = await request.json();
			const h = request.headers.get("x-a"), again = new Request(request.url + "?b=1", { method: "POST", headers: { "X-B": h }, body: "t" });
			console.log("logged", { a: [1, { b: 2 }] }, new Error("shown"));
			await new Promise((r) => setTimeout(r, 1));
			return Response.json({ body, url: again.url, h: again.headers.get("x-b"), t: await again.text() }, { headers: { "x-seen": "" + seen.length } });
		} } };`).Code)
	n.send(n.fetchOf(1, "POST", "http://acme.test/p", []string{"x-a", "v"}, `{"c":[1]}`))
	r := n.result()
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `{"body":{"c":[1]},"url":"http://acme.test/p?b=1","h":"v","t":"t"}`, string(r.Body))
	require.Contains(t, string(r.Headers), "x-seen\n0")
	require.Len(t, n.logs, 1)
	require.True(t, strings.HasPrefix(n.logs[0].Message, "logged { a: [ 1, { b: 2 } ] } Error: shown\n    at "), n.logs[0].Message)
}

func TestConsole(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`
		console.log("%s is %d%% of %o", "a", 5, {x: 1}, "rest");
		console.warn({s: "it's", n: -0, b: 10n, u: undefined, f() {}, c: class A {}, sym: Symbol("y"), long: "x".repeat(3)});
		console.error([1, , 3, [[[1]]]], new Map([["k", new Set([1])]]), new Uint8Array(3), /re/g, new Date(0), null);
		const o = {name: "o"}; o.self = o; console.debug(o);
		console.group("g"); console.info("inside\ntwo"); console.groupEnd(); console.count(); console.count(); console.assert(false, "no");
		console.table([{a: 1, b: "x"}]);
		console.log(new Headers({a: "b"}), new (class Foo { #p = 1; q = 2 }), Object.create(null), [new Proxy({}, {}), new Proxy([], { get() { throw 1 } })].length);
		console.log({ get a() { throw new Error("getter") }, [Symbol.toStringTag]: "T" });
	`)).Code)
	r := n.run(1, "{}")
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	var lines []string
	for _, l := range n.logs {
		lines = append(lines, l.Message)
	}
	require.Equal(t, []string{
		"a is 5% of { x: 1 } rest",
		"{\n  s: \"it's\",\n  n: -0,\n  b: 10n,\n  u: undefined,\n  f: [Function: f],\n  c: [class A],\n  sym: Symbol(y),\n  long: 'xxx'\n}",
		"[ 1, <1 empty item>, 3, [ [ [Array] ] ] ] Map(1) { 'k' => Set(1) { 1 } } Uint8Array(3) [ 0, 0, 0 ] /re/g 1970-01-01T00:00:00.000Z null",
		"<ref *1> { name: 'o', self: [Circular *1] }",
		"g", "  inside\n  two", "default: 1", "default: 2", "Assertion failed: no",
		"┌─────────┬───┬─────┐\n│ (index) │ a │ b   │\n├─────────┼───┼─────┤\n│ 0       │ 1 │ 'x' │\n└─────────┴───┴─────┘",
		"Headers { a: 'b' } Foo { q: 2 } [Object: null prototype] {} 2",
		"Object [T] { a: [Getter], [Symbol(Symbol.toStringTag)]: 'T' }",
	}, lines)
	require.Equal(t, []wire.Level{wire.LevelInfo, wire.LevelWarn, wire.LevelError, wire.LevelDebug}, []wire.Level{n.logs[0].Level, n.logs[1].Level, n.logs[2].Level, n.logs[3].Level})
}

// Calls of the module and of fetch, as they reach the node, and what a script makes of the answers.
func TestModule(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	var asked []string
	n.calls = func(m wire.HostCall) []wire.Message {
		asked = append(asked, m.Method+" "+string(m.Args)+" "+string(m.Body))
		reply := &wire.HostReply{Seq: m.Seq, Call: m.Call, OK: true}
		switch m.Method {
		case "kv.get":
			reply.Payload = []byte(`{"present":true,"value":{"a":1}}`)
		case "kv.list":
			reply.Payload = []byte(`{"keys":[{"name":"k","expiration":null}],"cursor":"next","complete":false}`)
		case "kv.increment":
			reply.Payload = []byte(`{"value":7}`)
		case "events.publish":
			reply.Payload = []byte(`{"eventId":"e","executions":2,"duplicate":false}`)
		case "scripts.invoke":
			reply.OK = false
			reply.Payload = []byte(`{"name":"RateLimitError","message":"slow down","code":"rate_limited","retryAfter":1500}`)
		case "fetch":
			reply.Payload = []byte(`{"status":201,"statusText":"Created","headers":[["content-type","text/plain"],["set-cookie","a=1"],["set-cookie","b=2"]],"url":"https://a.test/final","redirected":true,"hasBody":true}`)
			reply.Body = []byte("part one, ")
			reply.Stream = true
			return []wire.Message{reply, &wire.Chunk{Seq: m.Seq, Stream: m.Call, Data: []byte("part two"), Last: true}}
		default:
			reply.Payload = []byte(`{}`)
		}
		return []wire.Message{reply}
	}
	require.Empty(t, n.load(1, `const { kv, events, log, scripts, NonRetryableError, RateLimitError } = require("jsruntime");`+script(`
		log.info("hello", {n: 1}); log.error("plain");
		await kv.put("k", {v: 1}, {expirationTtl: 60});
		const list = await kv.list({prefix: "k"});
		const limited = await scripts.invoke("other", 1).catch(e => [e instanceof RateLimitError, e.name, e.code, e.retryAfter]);
		const r = await fetch("https://a.test/x", {method: "PUT", body: "up", headers: {"X-H": "1"}, redirect: "manual"});
		return [await kv.get("k"), list, await kv.increment("n", 3), await events.publish("t", {a: 1}, {id: "x"}), limited,
			r.status, r.url, r.headers.getSetCookie(), await r.text(), new NonRetryableError("x").name];
	`)).Code)
	r := n.run(1, "{}")
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `[{"a":1},{"keys":[{"name":"k","expiration":null}],"complete":false,"cursor":"next"},7,{"eventId":"e","executions":2,"duplicate":false},
		[true,"RateLimitError","rate_limited",1500],201,"https://a.test/final",["a=1","b=2"],"part one, part two","NonRetryableError"]`, string(r.Body))
	require.Equal(t, []string{
		`kv.put {"key":"k","value":{"v":1},"expirationTtl":60,"metadata":null} `,
		`kv.list {"prefix":"k","cursor":"","limit":100} `,
		`scripts.invoke {"name":"other","input":1} `,
		`fetch {"url":"https://a.test/x","method":"PUT","headers":[["x-h","1"],["content-type","text/plain;charset=UTF-8"]],"redirect":"manual","hasBody":true,"streamBody":false} up`,
		`kv.get {"key":"k"} `, `kv.increment {"key":"n","delta":3,"expirationTtl":0} `, `events.publish {"type":"t","data":{"a":1},"id":"x"} `,
	}, asked)
	require.Equal(t, `hello {"n":1}`, n.logs[0].Message)
	require.Equal(t, wire.LevelError, n.logs[1].Level)
}

// A misuse names the binding, the argument and what came instead, before any call leaves.
func TestMisuse(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	n.calls = func(m wire.HostCall) []wire.Message {
		t.Errorf("%s left", m.Method)
		return nil
	}
	cases := [][2]string{
		{`kv.get()`, "TypeError: kv.get: key must be a string, not undefined"},
		{`kv.get("")`, "TypeError: kv.get: key must not be empty"},
		{`kv.get("x".repeat(513))`, "RangeError: kv.get: key is longer than 512 bytes"},
		{`kv.get("a\0b")`, "TypeError: kv.get: key must not have NUL characters or lone surrogates"},
		{`kv.put("k", () => 1)`, "TypeError: kv.put: value is not JSON: a function"},
		{`kv.put("k", 1n)`, "TypeError: kv.put: value is not JSON: Do not know how to serialize a BigInt"},
		{`kv.put("k", 1, {ttl: 5})`, "TypeError: kv.put: options: ttl is not an option (expirationTtl, metadata)"},
		{`kv.put("k", 1, {expirationTtl: 0})`, "RangeError: kv.put: expirationTtl must be from 1 to 315360000, not 0"},
		{`kv.list("p")`, "TypeError: kv.list: options must be an object, not a string"},
		{`kv.list({limit: 1.5})`, "TypeError: kv.list: limit must be a whole number, not 1.5"},
		{`kv.list({limit: 5000})`, "RangeError: kv.list: limit must be from 1 to 1000, not 5000"},
		{`kv.increment("n", "1")`, "TypeError: kv.increment: delta must be a whole number, not a string"},
		{`kv.delete(null)`, "TypeError: kv.delete: key must be a string, not null"},
		{`events.publish({})`, "TypeError: events.publish: type must be a string, not an object"},
		{`events.publish("t", Symbol())`, "TypeError: events.publish: data is not JSON: a symbol"},
		{`events.publish("t", 1, {delaySeconds: -1})`, "RangeError: events.publish: delaySeconds must be from 0 to 9007199254740991, not -1"},
		{`scripts.invoke(1)`, "TypeError: scripts.invoke: name must be a string, not a number"},
		{`fetch()`, "TypeError: fetch: 1 argument required, but only 0 present"},
		{`fetch("/relative")`, `TypeError: Request: "/relative" is not an absolute URL`},
		{`fetch("https://u:p@a.test/")`, "TypeError: Request: the URL has a user or a password"},
		{`fetch("https://a.test/", {body: "x"})`, "TypeError: Request: a GET request cannot have a body"},
		{`fetch("https://a.test/", {method: "TRACE"})`, "TypeError: Request: the method TRACE is not allowed"},
		{`fetch("https://a.test/", {redirect: "maybe"})`, `TypeError: Request: redirect: "maybe" is not one of follow, error, manual`},
		{`fetch("https://a.test/", {signal: AbortSignal.abort("mine")})`, "mine"},
		{`setTimeout("code")`, "TypeError: setTimeout: the callback is not a function"},
		{`crypto.subtle.digest("MD5", new Uint8Array())`, `NotSupportedError: "MD5" is not an algorithm for digest`},
	}
	var calls []string
	for _, c := range cases {
		calls = append(calls, "() => "+c[0])
	}
	require.Empty(t, n.load(1, `const { kv, events, scripts } = require("jsruntime");`+script(`
		const out = [];
		for (const f of [`+strings.Join(calls, ",")+`]) {
			try { await f(); out.push("went well"); } catch (e) { out.push(String(e)); }
		}
		return out;`)).Code)
	r := n.run(1, "{}")
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	var got []string
	require.NoError(t, json.Unmarshal(r.Body, &got))
	for i, c := range cases {
		require.Equal(t, c[1], got[i], c[0])
	}
}
