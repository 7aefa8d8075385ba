package worker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// endpoint is a module of a fetch handler's body.
func endpoint(body string) string {
	return `const {kv} = require("jsruntime"); const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
		module.exports = { default: { async fetch(request, env, ctx) {` + body + "\n} } };"
}

func (n *node) requestOf(slot uint32) *wire.Run {
	m := n.runOf(slot, "")
	m.Handler, m.Head, m.Body, m.WallMillis = wire.HandlerFetch, []byte("GET\nhttp://a.test/x\n{}"), nil, 60_000
	return m
}

// kvNode answers every host call with null, after hold says so, and counts kv.put by key.
func kvNode(t *testing.T, source string) (n *node, puts *[]string) {
	n, puts = spawn(t).lease(), new([]string)
	n.calls = func(c wire.HostCall) []wire.Message {
		if c.Method == "kv.put" {
			*puts = append(*puts, string(c.Args))
		}
		return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: []byte(`{"present":true,"value":"v","expiration":null}`)}}
	}
	require.Empty(t, n.loadAs(1, "http", 64<<20, source).Code)
	return n, puts
}

// The answer is there while work of waitUntil waits for something that comes only after the answer.
func TestAnswerBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		check      func(n *node, r wire.Result)
	}{
		{"text", `ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1))); return new Response("é!", {status: 201, headers: {"x-a": "1"}})`, func(n *node, r wire.Result) {
			require.Equal(t, uint32(201), n.answer.Status)
			require.Equal(t, "é!", string(n.answer.Body))
			require.Contains(t, string(n.answer.Headers), "x-a\n1")
		}},
		{"bytes", `ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1))); return new Response(new Uint8Array([1, 0, 255]))`, func(n *node, r wire.Result) {
			require.Equal(t, []byte{1, 0, 255}, n.answer.Body)
		}},
		{"no body", `ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1))); return new Response(null, {status: 204})`, func(n *node, r wire.Result) {
			require.Equal(t, uint32(204), n.answer.Status)
			require.Empty(t, n.answer.Body)
		}},
		{"throws", `ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1))); throw new TypeError("no")`, func(n *node, r wire.Result) {
			require.Equal(t, "exception", n.answer.Code)
			require.Equal(t, "TypeError: no", n.answer.Message)
			require.Equal(t, "exception", r.Code)
			require.Equal(t, "TypeError: no", r.Message)
		}},
		{"no response", `ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1))); return 7`, func(n *node, r wire.Result) {
			require.Equal(t, "invalid_output", n.answer.Code)
			require.Equal(t, "invalid_output", r.Code)
		}},
		{"too large", `ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1))); return new Response("x".repeat(2 << 20))`, func(n *node, r wire.Result) {
			require.Equal(t, "output_too_large", n.answer.Code)
			require.Equal(t, "output_too_large", r.Code)
		}},
		{"a waitUntil in a waitUntil", `ctx.waitUntil(kv.get("gate").then(() => { ctx.waitUntil(kv.put("after", 1)) })); return new Response("x")`, func(n *node, r wire.Result) {
			require.Equal(t, "x", string(n.answer.Body))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, puts := kvNode(t, endpoint(c.body))
			reply := n.calls
			var gate []wire.Message
			n.calls = func(call wire.HostCall) []wire.Message {
				if strings.Contains(string(call.Args), "gate") {
					gate = reply(call)
					return nil
				}
				return reply(call)
			}
			n.onAnswer = func() {
				require.Empty(t, *puts)
				require.NotEmpty(t, gate, "the call came before the answer")
				n.send(gate...)
			}
			n.send(n.requestOf(1))
			r := n.result()
			require.NotNil(t, n.answer)
			require.Len(t, *puts, 1, "the work of waitUntil was not done")
			require.Empty(t, r.Body)
			require.False(t, r.Condemned)
			c.check(n, r)
			// The isolate serves the next one.
			n.answer, n.onAnswer = nil, func() { n.send(gate...) }
			n.send(n.requestOf(1))
			n.result()
			require.Len(t, *puts, 2)
		})
	}
}

func TestAnswerOfRun(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`ctx.waitUntil(new Promise((r) => setTimeout(r, 20))); return {a: "é"}`)).Code)
	r := n.run(1, "{}")
	require.Equal(t, `{"a":"é"}`, string(n.answer.Body))
	require.Empty(t, r.Code)
	require.Empty(t, r.Body)
	// Without anything left there is no Answer.
	n.answer = nil
	require.Empty(t, n.load(1, script(`ctx.waitUntil(undefined); await null; await null; await null; return 1`)).Code)
	r = n.run(1, "{}")
	require.Nil(t, n.answer)
	require.Equal(t, "1", string(r.Body))
	// What never settles is no reason to wait.
	require.Empty(t, n.load(1, script(`ctx.waitUntil(new Promise(() => {})); return 2`)).Code)
	r = n.run(1, "{}")
	require.Equal(t, "2", string(n.answer.Body))
	require.Empty(t, r.Code)
}

// A rejection beside the answer is logged, ends the execution as background_error, and leaves the answer as it is.
func TestBackgroundError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body string }{
		{"at once", `ctx.waitUntil(Promise.reject(new Error("analytics down"))); return Response.json({ok: true})`},
		{"before the handler settles", `ctx.waitUntil(Promise.reject(new Error("analytics down"))); await sleep(20); return Response.json({ok: true})`},
		{"after the answer", `ctx.waitUntil(sleep(20).then(() => { throw new Error("analytics down") })); return Response.json({ok: true})`},
		{"nobody's", `ctx.waitUntil(sleep(20).then(() => { Promise.reject(new Error("analytics down")); return sleep(20) })); return Response.json({ok: true})`},
		{"in a timer", `ctx.waitUntil(sleep(40)); setTimeout(() => { throw new Error("analytics down") }, 20); return Response.json({ok: true})`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, _ := kvNode(t, endpoint(c.body))
			n.send(n.requestOf(1))
			r := n.result()
			require.NotNil(t, n.answer)
			require.Empty(t, n.answer.Code)
			require.JSONEq(t, `{"ok":true}`, string(n.answer.Body))
			require.Equal(t, "background_error", r.Code)
			require.Contains(t, r.Message, "Error: analytics down")
			require.Len(t, n.logs, 1)
			require.Equal(t, wire.LevelError, n.logs[0].Level)
			require.Contains(t, n.logs[0].Message, "analytics down")
		})
	}
	// The stack of what a script cannot show is none, and NonRetryableError is still seen.
	n, _ := kvNode(t, endpoint(`const e = new Error("x"); e.name = "NonRetryableError"; ctx.waitUntil(Promise.reject(e)); ctx.waitUntil(Promise.reject(null)); return new Response("x")`))
	n.send(n.requestOf(1))
	r := n.result()
	require.Equal(t, "background_error", r.Code)
	require.True(t, r.NoRetry)
	require.Len(t, n.logs, 2)
}

func TestStreamEndsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	n, puts := kvNode(t, endpoint(`ctx.waitUntil(kv.get("gate").then(() => kv.put("after", 1)));
		let i = 0; return new Response(new ReadableStream({pull(c) { if (i++ === 3) c.close(); else c.enqueue(new Uint8Array([65 + i])) }}))`))
	reply := n.calls
	n.calls = func(call wire.HostCall) []wire.Message {
		if strings.Contains(string(call.Args), "gate") {
			n.onLast = func() { n.send(reply(call)...) }
			return nil
		}
		return reply(call)
	}
	n.send(n.requestOf(1))
	r := n.result()
	require.Empty(t, r.Code)
	require.True(t, r.Streamed)
	require.Nil(t, n.answer)
	require.Equal(t, "BCD", string(n.body))
	require.NotNil(t, n.last)
	require.Empty(t, n.last.Error)
	require.Len(t, *puts, 1)

	// One that breaks says so at once, and the work goes on.
	n, puts = kvNode(t, endpoint(`ctx.waitUntil(sleep(20).then(() => kv.put("after", 1)));
		return new Response(new ReadableStream({pull() { throw new Error("broken") }}))`))
	n.send(n.requestOf(1))
	r = n.result()
	require.Equal(t, "exception", r.Code)
	require.Contains(t, r.Message, "broken")
	require.Equal(t, "the response's body failed", n.last.Error)
	require.Len(t, *puts, 1)
}

const graceMillis = 20_000 // no test is to reach it

// A Cancel with a grace is told to the script, which cleans up.
func TestCancelWithGrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body string }{
		{"signal", `ctx.signal.addEventListener("abort", async () => { await sleep(5); await kv.put("why", [ctx.signal.reason.name, ctx.signal.reason.message]) }); await kv.get("begun"); await sleep(50_000)`},
		{"handler returns", `const t = setInterval(() => {}, 1000); const s = ctx.signal; await kv.get("begun"); await new Promise((r) => s.addEventListener("abort", r)); clearInterval(t); await kv.put("why", [s.reason.name, s.reason.message]); return new Response("too late")`},
		{"handler throws", `const t = setInterval(() => {}, 1000); await kv.get("begun"); try { await new Promise((_, no) => ctx.signal.addEventListener("abort", () => no(ctx.signal.reason))) } catch (e) { clearInterval(t); await kv.put("why", [e.name, e.message]); throw e }`},
		{"signal of the request", `const clone = request.clone(), other = new Request(request), own = new AbortController(), any = AbortSignal.any([request.signal, own.signal]); let n = 0;
			const seen = async (s) => { await sleep(5); if (++n === 4) await kv.put("why", [s.reason.name, s.reason.message]) }; for (const s of [request.signal, clone.signal, other.signal, any]) s.addEventListener("abort", () => seen(s)); await kv.get("begun"); await sleep(50_000)`},
		{"signal of a fetch", `await kv.get("begun"); try { await fetch("http://b.test", { signal: request.signal }) } catch (e) { await kv.put("why", [e.name, e.message]); throw e }`},
		{"signal of later", `await kv.get("begun"); await kv.get("more"); await kv.put("why", [ctx.signal.reason.name, ctx.signal.reason.message]); await sleep(50_000)`},
		{"stream", `let timer; return new Response(new ReadableStream({
			start(c) { c.enqueue(new Uint8Array(1)); timer = setInterval(() => c.enqueue(new Uint8Array(1)), 10); kv.get("begun") },
			async cancel(reason) { clearInterval(timer); await sleep(5); await kv.put("why", [reason.name, reason.message]) } }))`},
	} {
		for _, left := range []bool{false, true} {
			name := c.name
			if left {
				name += ", left"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				n, puts := kvNode(t, endpoint(c.body))
				m := n.requestOf(1)
				reply := n.calls
				n.calls = func(call wire.HostCall) []wire.Message {
					out := reply(call)
					if strings.Contains(string(call.Args), "begun") {
						out = append(out, &wire.Cancel{Seq: call.Seq, Code: "cancelled", Reason: "for a reason", GraceMillis: graceMillis, Left: left})
					}
					return out
				}
				n.send(m)
				r := n.result()
				require.True(t, r.Cancelled, "%s %s", r.Code, r.Message)
				require.Nil(t, n.answer)
				require.Len(t, *puts, 1)
				require.Contains(t, (*puts)[0], `["AbortError","for a reason"]`)
				require.Zero(t, n.goesOn)
			})
		}
	}
}

// What does not end within its grace is terminated, whether it runs or waits.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`for (;;);`, `setInterval(() => {}, 10); await sleep(1e6)`, `ctx.waitUntil(sleep(1e6)); setInterval(() => {}, 10); await sleep(1e6)`} {
		n, _ := kvNode(t, endpoint(`await kv.get("begun"); `+body))
		reply := n.calls
		n.calls = func(call wire.HostCall) []wire.Message {
			return append(reply(call), &wire.Cancel{Seq: call.Seq, Code: "cancelled", Reason: "r", GraceMillis: 50})
		}
		n.send(n.requestOf(1))
		r := n.result()
		require.True(t, r.Cancelled, "%s: %s", body, r.Code)
		require.Less(t, r.WallMicros, uint64(50_000_000))
	}
	// The time limit goes on.
	n, _ := kvNode(t, endpoint(`await kv.get("begun"); setInterval(() => {}, 10); await sleep(1e6)`))
	reply := n.calls
	n.calls = func(call wire.HostCall) []wire.Message {
		return append(reply(call), &wire.Cancel{Seq: call.Seq, Code: "cancelled", Reason: "r", GraceMillis: graceMillis})
	}
	m := n.requestOf(1)
	m.WallMillis = 200
	n.send(m)
	r := n.result()
	require.True(t, r.Cancelled)
	require.Less(t, r.WallMicros, uint64(graceMillis*1000))
}

// Who leaves does not stop the work of waitUntil, nor does it abort its signal; only the response's stream is cancelled.
func TestLeftWithBackgroundWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		puts       int
		cancelled  bool
	}{
		{"before the answer", `ctx.waitUntil((async () => { await kv.get("begun"); await sleep(40); await kv.put("job", ctx.signal.aborted) })()); await sleep(20); return new Response("x")`, 1, false},
		{"while it runs", `ctx.waitUntil((async () => { await kv.get("begun"); const t = Date.now(); while (Date.now() - t < 100); await kv.put("job", ctx.signal.aborted) })()); return new Response("x")`, 1, false},
		{"in a stream", `ctx.waitUntil((async () => { await kv.get("begun"); await sleep(20); await kv.put("job", ctx.signal.aborted) })());
			return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1)); return sleep(1) }, cancel(e) { ctx.waitUntil(kv.put("cancel", e.message)) } }))`, 2, false},
		{"handler that never ends", `ctx.waitUntil((async () => { await kv.get("begun"); await sleep(20); await kv.put("job", ctx.signal.aborted) })());
			ctx.signal.addEventListener("abort", () => kv.put("why", ctx.signal.reason.message)); setInterval(() => {}, 5); await sleep(1e6)`, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, puts := kvNode(t, endpoint(c.body))
			reply := n.calls
			n.calls = func(call wire.HostCall) []wire.Message {
				out := reply(call)
				if strings.Contains(string(call.Args), "begun") {
					out = append(out, &wire.Cancel{Seq: call.Seq, Code: "cancelled", Reason: "client disconnected", GraceMillis: 300, Left: true})
				}
				return out
			}
			n.send(n.requestOf(1))
			r := n.result()
			require.Equal(t, 1, n.goesOn)
			require.Equal(t, c.cancelled, r.Cancelled, "%s %s", r.Code, r.Message)
			if !c.cancelled {
				require.Empty(t, r.Code, r.Message)
			}
			require.Len(t, *puts, c.puts)
			for _, p := range *puts {
				if strings.Contains(p, `"job"`) {
					require.Contains(t, p, "false")
				}
			}
		})
	}
}
