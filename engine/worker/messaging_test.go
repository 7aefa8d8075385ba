package worker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each case is a run handler's body and the JSON that it returns: what browsers and Node 20 do, where they agree.
func TestMessageChannel(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	const sleep = `const sleep = (ms) => new Promise((r) => setTimeout(r, ms)), out = [], name = (f) => { try { f(); return "ok" } catch (e) { return e.name } };`
	for _, c := range []struct{ name, body, want string }{
		{"onmessage starts", `const c = new MessageChannel(); c.port2.postMessage("early"); c.port1.onmessage = (e) => out.push(e.data, e instanceof MessageEvent, e.target === c.port1, e.ports.length, Object.isFrozen(e.ports), e.source, e.origin); c.port2.postMessage(undefined); c.port1.postMessage("never started"); await sleep(5);
			return out.map((x) => x === undefined ? "undefined" : x)`, `["early",true,true,0,true,null,"","undefined",true,true,0,true,null,""]`},
		{"listeners need start", `const c = new MessageChannel(); c.port1.addEventListener("message", (e) => out.push(e.data)); c.port2.postMessage(1); await sleep(3); out.push("not yet"); c.port1.start(); await sleep(3); c.port2.postMessage(2); await sleep(3); return out`, `["not yet",1,2]`},
		{"order beside timers and microtasks", `const c = new MessageChannel(); c.port1.onmessage = (e) => { out.push(e.data); Promise.resolve().then(() => out.push("micro of " + e.data)) }; c.port2.postMessage(1); setTimeout(() => out.push("timer"), 2); c.port2.postMessage(2); queueMicrotask(() => out.push("micro")); await sleep(20); return out`,
			`["micro",1,"micro of 1",2,"micro of 2","timer"]`},
		{"both ways", `const c = new MessageChannel(); c.port1.onmessage = (e) => c.port1.postMessage(e.data + 1); return new Promise((r) => { c.port2.onmessage = (e) => e.data < 10 ? c.port2.postMessage(e.data) : r(e.data); c.port2.postMessage(1) })`, `10`},
		{"messages are copies", `const c = new MessageChannel(), v = { a: [1], d: new Date(0), m: new Map([[1, 2]]) }; v.self = v; c.port1.onmessage = (e) => out.push(e.data !== v, e.data.self === e.data, e.data.a, e.data.d.getTime(), e.data.m.get(1)); c.port2.postMessage(v); v.a.push(2); await sleep(5); return out`, `[true,true,[1],0,2]`},
		{"transfer", `const x = new MessageChannel(), y = new MessageChannel(), b = new ArrayBuffer(8), u = new Uint8Array(b); u[0] = 7; y.port2.postMessage("early");
			x.port1.onmessage = (e) => { out.push(e.data.p === e.ports[0], e.ports.length, e.data.b.byteLength, e.data.u[0], e.data.u.buffer === e.data.b, e.data.p !== y.port1); e.data.p.onmessage = (m) => { out.push(m.data); if (m.data === "late") e.data.p.postMessage("back") } }; y.port2.onmessage = (m) => out.push(m.data);
			x.port2.postMessage({ p: y.port1, b, u }, [y.port1, b]); out.push(b.byteLength, name(() => y.port1.postMessage(1))); y.port2.postMessage("late"); await sleep(20); return out`, `[0,"ok",true,1,8,7,true,true,"early","late","back"]`},
		{"transfer by options, and by structuredClone", `const x = new MessageChannel(), y = new MessageChannel(); x.port1.onmessage = (e) => { e.ports[0].onmessage = (m) => out.push(m.data) }; x.port2.postMessage(null, { transfer: new Set([y.port1]) }); y.port2.postMessage("through options");
			const z = new MessageChannel(), moved = structuredClone({ z: z.port1 }, { transfer: [z.port1] }).z; moved.onmessage = (m) => out.push(m.data); z.port2.postMessage("through clone"); for (let i = 0; i < 500 && out.length < 2; i++) await sleep(2); return [moved instanceof MessagePort, moved !== z.port1, ...out.sort()]`, `[true,true,"through clone","through options"]`},
		{"errors", `const x = new MessageChannel(), y = new MessageChannel(), gone = new ArrayBuffer(1), kept = new ArrayBuffer(4); structuredClone(gone, { transfer: [gone] }); structuredClone(y.port1, { transfer: [y.port1] });
			for (const f of [() => x.port2.postMessage(0, [x.port2]), () => x.port2.postMessage(() => 1), () => x.port2.postMessage(y.port2), () => x.port2.postMessage(0, [y.port1]), () => x.port2.postMessage(0, [y.port2, y.port2]), () => x.port2.postMessage(0, [gone]),
				() => x.port2.postMessage(Symbol("s"), [kept]), () => structuredClone(x.port1), () => x.port2.postMessage(), () => new MessagePort(), () => MessageChannel(), () => x.port2.postMessage(0, { transfer: [1] }), () => x.port2.postMessage(1, 2), () => MessagePort.prototype.postMessage.call({}, 1), () => x.port2.postMessage(1, null), () => x.port2.postMessage(1, {})]) out.push(name(f));
			return [...out, kept.byteLength]`,
			`["DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","ok","ok",4]`},
		{"close", `const c = new MessageChannel(); c.port1.onmessage = (e) => out.push(e.data); c.port1.onclose = (e) => out.push(e.type); c.port2.onclose = () => out.push("own"); c.port2.onmessage = () => out.push("dropped"); c.port2.postMessage("before"); c.port2.close(); c.port2.close(); c.port2.postMessage("after"); c.port1.postMessage("to the closed"); await sleep(10); return out`, `["before","close"]`},
		{"a port sent to its own other end is lost", `const c = new MessageChannel(); c.port1.onmessage = () => out.push("never"); c.port2.postMessage(0, [c.port1]); await sleep(5); return out`, `[]`},
		{"a listener that throws fails the execution", `const c = new MessageChannel(); c.port1.onmessage = () => { throw new Error("in a listener") }; c.port2.postMessage(0); await sleep(50); return "no"`, `"Error: in a listener"`},
		{"message events", `const c = new MessageChannel(); const e = new MessageEvent("message", { data: 1, ports: [c.port1], source: c.port2, lastEventId: "7" }); e.initMessageEvent("x", false, true, 2, "o"); return [e.type, e.data, e.origin, e.cancelable, e.ports.length, name(() => new MessageEvent("x", { ports: [1] })), name(() => new MessageEvent("x", { source: {} }))]`, `["x",2,"o",true,0,"TypeError","TypeError"]`},
		{"context", `const a = new AsyncLocalStorage(); const c = a.run("made", () => new MessageChannel()); a.run("listen", () => { c.port1.onmessage = () => out.push(a.getStore()) }); a.run("posted", () => c.port2.postMessage(1)); await sleep(5); return out`, `["made"]`},
		{"many", `const c = new MessageChannel(); let n = 0; return new Promise((r) => { c.port1.onmessage = (e) => { if (e.data !== n++) r("out of order"); if (n === 1000) r(n) }; for (let i = 0; i < 1000; i++) c.port2.postMessage(i) })`, `1000`},
	} {
		require.Empty(t, n.load(1, script(sleep+c.body)).Code, c.name)
		r := n.run(1, "{}")
		if r.Code == "exception" {
			require.Equal(t, c.want, `"`+r.Message+`"`, c.name)
			continue
		}
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.JSONEq(t, c.want, string(r.Body), c.name)
	}
}

// A channel of the module serves each execution, and what one leaves on its way does not reach the next.
func TestMessageChannelOfTheModule(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, `const c = new MessageChannel(); let got = []; c.port1.onmessage = (e) => got.push(e.data);
		let refused; try { c.port2.postMessage("at load") } catch (e) { refused = e.message }
		module.exports = { default: { async run(input) { c.port2.postMessage(input.n); if (input.wait) await new Promise((r) => setTimeout(r, 3)); const out = got; got = []; return [out, refused.startsWith("MessagePort.postMessage is not available while the script loads")] } } };`).Code)
	for _, c := range []struct{ input, want string }{{`{"n":1,"wait":true}`, `[[1],true]`}, {`{"n":2}`, `[[],true]`}, {`{"n":3,"wait":true}`, `[[3],true]`}, {`{"n":4}`, `[[],true]`}, {`{"n":5,"wait":true}`, `[[5],true]`}} {
		r := n.run(1, c.input)
		require.Empty(t, r.Code, r.Message)
		require.JSONEq(t, c.want, string(r.Body))
	}
}

func TestWebSocketAndTimingSafeEqual(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct{ name, body, want string }{
		{"WebSocket", `let e; try { new WebSocket("wss://a.test") } catch (x) { e = x } return [typeof WebSocket, WebSocket.OPEN, WebSocket.prototype.CLOSED, e instanceof DOMException, e.name, e.message]`, `["function",1,3,true,"NotSupportedError","WebSocket: connections are not supported, use fetch"]`},
		{"timingSafeEqual", `const e = new TextEncoder(), s = crypto.subtle, eq = (a, b) => s.timingSafeEqual(e.encode(a), e.encode(b)); let out = [eq("abc", "abc"), eq("abc", "abd"), eq("", ""), s.timingSafeEqual(new Uint16Array([1, 2]).buffer, new DataView(new Uint8Array([1, 0, 2, 0]).buffer))];
			for (const f of [() => eq("a", "ab"), () => s.timingSafeEqual("a", "a"), () => s.timingSafeEqual(new Uint8Array(1)), () => s.timingSafeEqual.call({}, new Uint8Array(1), new Uint8Array(1))]) try { f(); out.push("ok") } catch (x) { out.push(x.name) } return out`, `[true,false,true,true,"TypeError","TypeError","TypeError","TypeError"]`},
	} {
		require.Empty(t, n.load(1, script(c.body)).Code, c.name)
		r := n.run(1, "{}")
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.JSONEq(t, c.want, string(r.Body), c.name)
	}
}
