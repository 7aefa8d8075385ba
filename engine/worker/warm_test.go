package worker

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// The tests of this file hold the invariants of the warm path (see package warm), each with the path forced on and off.

// getOf is a plain request to a slot.
func (n *node) getOf(slot uint32) *wire.Run {
	n.seq++
	return &wire.Run{
		Seq: n.seq, Slot: slot, Handler: wire.HandlerFetch, WallMillis: 20_000, OutputLimit: 1 << 20, LogLimit: 64 << 10,
		Context: []byte(`{"executionId":"e-1","trigger":"http","attempt":1}`), Head: []byte("GET\nhttp://localhost/hello/world?n=1\n{\"name\":\"world\"}\naccept\n*/*\nuser-agent\ntest"),
	}
}

const helloSource = `module.exports = { default: { async fetch(request, env, ctx) { return Response.json({ hello: ctx.params.name }) } } }`

// onBothPaths runs a test with the path forced on, and off.
func onBothPaths(t *testing.T, f func(t *testing.T, n *node)) {
	t.Helper()
	t.Parallel()
	for _, path := range []string{"on", "off"} {
		t.Run("warm="+path, func(t *testing.T) {
			t.Parallel()
			f(t, spawn(t, "--warm="+path).lease())
		})
	}
}

func (n *node) get(slot uint32) wire.Result {
	n.t.Helper()
	n.send(n.getOf(slot))
	return n.result()
}

// The loop runs and answers what is plain, and nothing else: the worker counts.
func TestWarmRunsWhatIsPlain(t *testing.T) {
	t.Parallel()
	n := spawn(t, "--warm=count").lease()
	require.Empty(t, n.loadAs(1, "http", 64<<20, helloSource).Code)
	require.Empty(t, n.load(2, script(`return input`)).Code)
	require.Empty(t, n.loadAs(3, "http", 64<<20, endpoint(`console.log("x"); return new Response("logged")`)).Code)
	for range 100 {
		r := n.get(1)
		require.Equal(t, `200 {"hello":"world"} `, fmt.Sprintf("%d %s %s", r.Status, r.Body, r.Code))
		require.Equal(t, `{"a":1}`, string(n.run(2, `{"a":1}`).Body))
	}
	require.Empty(t, n.loadAs(4, "http", 64<<20, endpoint(`return new Response(await kv.get("a") + await kv.get("b"))`)).Code)
	n.calls = func(c wire.HostCall) []wire.Message {
		return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: []byte(`{"present":true,"value":"v"}`)}}
	}
	for range 50 {
		require.Equal(t, "logged", string(n.get(3).Body))
		require.Equal(t, "vv", string(n.get(4).Body))
	}
	require.Len(t, n.logs, 50)
	require.Equal(t, `"ä"`, string(n.run(2, `"ä"`).Body))
	quick := n.quick()
	require.LessOrEqual(t, quick, 300)
	require.Greater(t, quick, 150, "where the machine is slow, the watchdog adopts some")
}

// quick ends a worker that counts, and returns how many executions its loop has answered.
func (n *node) quick() (quick int) {
	n.t.Helper()
	n.conn.Close()
	require.NoError(n.t, n.cmd.Wait())
	var warm bool
	_, err := fmt.Sscanf(n.out.String(), "worker: warm: %t, %d", &warm, &quick)
	require.NoError(n.t, err, n.out.String())
	if !warm {
		n.t.Skip("this V8 has no function that opens a handle scope: see SECURITY.md")
	}
	return quick
}

// The loop answers responses of text of up to 64 KiB, and leaves longer ones to Go.
func TestWarmAnswersLongTexts(t *testing.T) {
	t.Parallel()
	n := spawn(t, "--warm=count").lease()
	require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`return new Response("é".repeat(10000), {headers: {b: "1"}})`)).Code)
	require.Empty(t, n.loadAs(2, "http", 64<<20, endpoint(`return new Response("x".repeat(70000))`)).Code)
	for range 100 {
		require.Equal(t, strings.Repeat("é", 10000), string(n.get(1).Body))
		require.Len(t, n.get(2).Body, 70000)
	}
	quick := n.quick()
	require.LessOrEqual(t, quick, 100)
	require.Greater(t, quick, 20, "where the machine is slow, the watchdog adopts some")
}

// What one path answers the other answers: rejections, promises that are pending, characters beyond ASCII and Latin-1, streams, failures, long
// and deep outputs, limits of outputs, bodies, other handlers, logs.
func TestWarmAnswersAsGoDoes(t *testing.T) {
	t.Parallel()
	bodies := []string{
		`return new Response("ok")`, `return new Response(null, {status: 204})`, `return new Response("", {status: 599, headers: {a: "b", c: ""}})`,
		`return new Response("é")`, `return new Response("日本")`, `return new Response("x", {headers: {"x-a": "é"}})`, `return new Response("a\nb\n\nc\n", {headers: {b: "1"}})`,
		`return new Response(new Uint8Array([0, 255, 10]))`, `return new Response("x".repeat(3000))`, `return new Response("x".repeat(2048 - 38))`, `return Response.json("y".repeat(1900))`,
		`return new Response("x".repeat(70000))`, `return new Response("x".repeat(65536 - 39))`, `return new Response("x".repeat(65536 - 38))`, `return new Response("x".repeat(65536 - 37))`,
		`return new Response("é".repeat(3000))`, `return new Response("日本".repeat(2000), {headers: {"x-a": "é", b: "2"}})`, `return new Response("a\ud800b".repeat(1000))`, `return new Response("日".repeat(30000))`,
		`return new Response("x".repeat(3000), {status: 404, headers: [["content-type", "text/html"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]]})`,
		`return new Response(null, {headers: {"x-long": "y".repeat(5000)}})`, `return new Response("x\n".repeat(5000), {headers: {"x-a": "é"}})`,
		`const r = new Response("x".repeat(5000)); setTimeout(() => r.headers.set("a", "b"), 1e6); return r`, `ctx.waitUntil(Promise.resolve()); return Response.json(new Array(2000).fill("a"))`,
		`return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.close() } }))`,
		`throw new Error("no")`, `throw null`, `return 1`, `return {status: 200}`, `Promise.reject(new Error("unhandled")); return new Response("x")`,
		`Promise.reject(1).catch(() => {}); return new Response("handled")`, `queueMicrotask(() => { throw new Error("micro") }); return new Response("x")`,
		`await sleep(2); return new Response("later")`, `await new Promise(() => {})`, `setTimeout(() => {}, 1e6); return new Response("timer left")`,
		`ctx.waitUntil(sleep(2)); return new Response("background")`, `ctx.waitUntil(Promise.reject(new Error("bg"))); return new Response("x")`,
		`console.log("a"); console.error({b: 1}); return new Response("logged")`, `for (let i = 0; i < 3000; i++) console.log("x".repeat(100)); return new Response("many")`,
		`return new Response(await kv.get("k") + "")`, `const r = await fetch("http://a.test/"), b = new Uint8Array(await r.arrayBuffer()); return new Response(r.status + " " + b.length + " " + b[0] + " " + b[b.length - 1])`,
		`const big = await (await fetch("http://a.test/big")).text(), small = await (await fetch("http://a.test/")).text(); return new Response(big.length + " " + small.length)`, `console.log("a"); console.log("é"); console.log("b".repeat(2000)); await kv.get("é"); console.warn("c\n"); await kv.get("d"); console.log("at demo.js:2:3"); return new Response("in order")`,
		`await Promise.all(Array.from({length: 100}, (_, i) => kv.get("k" + i))); return new Response("many calls")`, `console.log(new Error("stack").stack); return new Response("x")`,
		`try { await kv.get("refused") } catch (e) { return new Response(e.name + e.message) }`, `await kv.get("k"); throw new Error("later")`, `await kv.get("k"); Promise.reject(new Error("later")); return new Response("x")`,
		`await kv.get("k"); await new Promise(() => {})`, `kv.get("k").then(() => { throw new Error("nobody's") }); return new Response(await kv.get("j") + "")`, `console.log("at " + "jsruntime:script:2:70"); return new Response("mapped")`, `kv.get("k"); return new Response("call left")`, `const f = () => f(); try { f() } catch (e) {} return new Response("deep")`,
		`const f = () => f(); f()`, `return new Response(request.url + request.method + [...request.headers].join())`, `return new Response(JSON.stringify(ctx.params) + ctx.executionId)`,
		`return new Response(await request.text())`, `return Response.redirect("http://a.test/b", 302)`, `return new Response(ctx.limits?.max_memory_bytes + "")`,
		`return new Response(JSON.stringify(ctx.usage.log_bytes))`, `globalThis.n = (globalThis.n ?? 0) + 1; return new Response("" + n)`, `return new Response("" + (ctx.remainingTimeMs() > 0))`,
		`return new Response(crypto.randomUUID().length + "")`, `Promise.prototype.then = () => { throw 1 }; return new Response("tampered")`, `return {get then() { throw new Error("then") }}`,
	}
	outputs := []string{`return 1`, `return null`, `return undefined`, `return "é"`, `return "x".repeat(999)`, `return "x".repeat(1500)`, `return [[[[]]]]`,
		`let v = []; for (let i = 0; i < 600; i++) v = [v]; return v`, `let v = []; for (let i = 0; i < 1100; i++) v = [v]; return v`, `return 1n`, `const v = {}; v.v = v; return v`,
		`return input`, `throw new TypeError("x")`, `return () => 1`, `return new Date(0)`, `return "x".repeat(70000)`, `console.log("é"); return ctx.trigger`}
	answers := map[string][]string{}
	for _, path := range []string{"on", "off"} {
		n := spawn(t, "--warm="+path).lease()
		n.calls = func(c wire.HostCall) []wire.Message {
			n.logs = append(n.logs, wire.Log{Message: "call of " + string(c.Args)}) // in the order of the frames
			if c.Method == "fetch" {
				body := append([]byte{0, 0xFF, 'a'}, make([]byte, 50)...)
				if strings.Contains(string(c.Args), "big") {
					body = make([]byte, 300<<10)
				}
				return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Body: body, Payload: []byte(`{"status":200,"statusText":"OK","headers":[],"url":"http://a.test/","redirected":false,"hasBody":true}`)}}
			}
			if strings.Contains(string(c.Args), "refused") {
				return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, Payload: []byte(`{"name":"RangeError","message":"nö"}`)}}
			}
			return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: []byte(`{"present":true,"value":"vé"}`)}}
		}
		ask := func(what string, m *wire.Run) {
			n.logs, n.head, n.body, n.answer, n.last = nil, nil, nil, nil, nil
			n.send(m)
			r := n.result()
			lines := ""
			for _, l := range n.logs {
				lines += fmt.Sprintf("[%d %.60s]", l.Level, l.Message)
			}
			stream := ""
			if n.head != nil {
				stream = fmt.Sprintf("head %d %q body %q", n.head.Status, n.head.Headers, n.body)
			}
			if n.answer != nil {
				stream += fmt.Sprintf("answer %d %q %q %s", n.answer.Status, n.answer.Headers, n.answer.Body, n.answer.Code)
			}
			require.Positive(t, r.WallMicros, what)
			require.Positive(t, r.PeakMemory, what)
			answers[path] = append(answers[path], fmt.Sprintf("%s: %d %q %.200q %s %s %.300q retry %v condemned %v exiting %v streamed %v cancelled %v logs %d %s %s", what, r.Status, r.Headers, r.Body, r.Code,
				r.Message, r.Stack, r.NoRetry, r.Condemned, r.Exiting, r.Streamed, r.Cancelled, r.LogBytes, lines, stream))
			if r.Condemned {
				m.Seq = 0
			}
		}
		for i, body := range bodies {
			for range 2 { // the second time in a used isolate
				require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(body)).Code, body)
				for _, change := range []func(m *wire.Run){
					func(*wire.Run) {},
					func(m *wire.Run) { m.HasBody, m.Body, m.Head = true, []byte("plain"), append(m.Head, "\nx-é\né"...) },
					func(m *wire.Run) { m.HasBody, m.Body, m.OutputLimit, m.LogLimit = true, []byte("tëxt\xff"), 20, 10 },
				} {
					m := n.getOf(1)
					change(m)
					ask(fmt.Sprintf("%d %s", i, body), m)
					if m.Seq == 0 {
						require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(body)).Code, body)
					}
				}
			}
		}
		for _, body := range outputs {
			require.Empty(t, n.load(2, script(body)).Code, body)
			for _, input := range []string{`{"a":[1]}`, `"é"`, ``} {
				m := n.runOf(2, input)
				m.OutputLimit = 60_000
				ask(body, m)
				if m.Seq == 0 {
					require.Empty(t, n.load(2, script(body)).Code, body)
				}
			}
		}
	}
	require.Equal(t, answers["off"], answers["on"])
}

// Wall time: what never ends is terminated, its isolate is condemned, and the next load works.
func TestWarmWallTime(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`if (globalThis.n) for (;;); globalThis.n = 1; return new Response("first")`)).Code)
		require.Equal(t, uint32(200), n.get(1).Status)
		m := n.getOf(1)
		m.WallMillis = 100
		n.send(m)
		r := n.result()
		require.Equal(t, "exceeded_wall_time", r.Code)
		require.True(t, r.Condemned)
		require.GreaterOrEqual(t, r.WallMicros, uint64(100_000))
		require.Equal(t, "recalled", n.get(1).Code)
		require.Empty(t, n.loadAs(1, "http", 64<<20, helloSource).Code)
		require.Equal(t, uint32(200), n.get(1).Status)
	})
}

// One termination may be lost: a script that goes on after it is terminated again.
func TestWarmTerminationIsRepeated(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`const again = () => { queueMicrotask(again); for (let i = 0; i < 1e7; i++); }; again(); for (;;);`)).Code)
		m := n.getOf(1)
		m.WallMillis = 50
		n.send(m)
		require.Equal(t, "exceeded_wall_time", n.result().Code)
	})
}

// What takes some ticks is watched, and is not terminated: neither it nor what follows.
func TestWarmWatchedExecutionsLive(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`const until = Date.now() + +request.headers.get("ms"); while (Date.now() < until); return new Response("" + (globalThis.n = (globalThis.n ?? 0) + 1))`)).Code)
		for i := range 40 {
			m := n.getOf(1)
			m.Head = fmt.Appendf(nil, "GET\nhttp://localhost/\n{}\nms\n%d", []int{0, 4, 9, 14, 25}[i%5])
			n.send(m)
			r := n.result()
			require.Equal(t, strconv.Itoa(i+1), string(r.Body), r.Message)
			require.False(t, r.Condemned)
		}
	})
}

func TestWarmCPUTime(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`const until = Date.now() + 60; while (Date.now() < until); return new Response("x")`)).Code)
		r := n.get(1)
		require.Empty(t, r.Code)
		require.Positive(t, r.CPUMicros)
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`for (;;);`)).Code)
		m := n.getOf(1)
		m.CPUMillis = 30
		n.send(m)
		r = n.result()
		require.Equal(t, "exceeded_cpu", r.Code)
		require.True(t, r.Condemned)
		require.GreaterOrEqual(t, r.CPUMicros, uint64(30_000))
	})
}

// A Cancel is seen while JavaScript runs: the running execution ends, and the execution behind it never begins.
func TestWarmCancel(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`if (globalThis.n) for (;;); globalThis.n = 1; return new Response("first")`)).Code)
		first, long, behind := n.getOf(1), n.getOf(1), n.getOf(1)
		n.send(first, long, behind)
		require.Equal(t, first.Seq, n.result().Seq, "an answer is held for two ticks at most, also where what follows takes long")
		n.send(&wire.Cancel{Seq: behind.Seq, Code: "cancelled"})
		r := n.result()
		require.Equal(t, behind.Seq, r.Seq)
		require.Equal(t, "cancelled", r.Code)
		require.Zero(t, r.WallMicros)
		n.send(&wire.Cancel{Seq: long.Seq, Code: "cancelled"})
		r = n.result()
		require.Equal(t, long.Seq, r.Seq)
		require.Equal(t, "cancelled", r.Code)
		require.True(t, r.Condemned)
		require.Empty(t, n.loadAs(1, "http", 64<<20, helloSource).Code)
		require.Equal(t, uint32(200), n.get(1).Status)
	})
}

// Many frames ahead are answered in their order, each once, whatever is between them.
func TestWarmOrder(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`const n = request.headers.get("n"); if (n % 5 === 0) console.log("line of " + n); if (n % 7 === 0) await sleep(1); if (n % 11 === 0) throw new Error("no"); return new Response(n)`)).Code)
		require.Empty(t, n.loadAs(2, "http", 64<<20, helloSource).Code)
		const count = 400
		go func() {
			for i := range count {
				m := n.getOf(uint32(i%3)/2 + 1)
				m.Head = fmt.Appendf(nil, "GET\nhttp://localhost/%s\n{}\nn\n%d", strings.Repeat("x", i*i%5000), i)
				n.send(m)
			}
		}()
		done := map[uint32]bool{}
		logged := 0
		for range count {
			n.logs = nil
			r := n.result()
			for _, l := range n.logs {
				require.False(t, done[l.Seq], "a log line after its result")
				logged++
			}
			require.False(t, done[r.Seq], "a second result")
			done[r.Seq] = true
			require.Equal(t, (r.Seq-1)%11 == 0 && r.Seq%3 != 0, r.Code == "exception", "%d: %s", r.Seq, r.Message)
		}
		require.Len(t, done, count)
		require.Equal(t, 53, logged)
	})
}

// Executions that wait for the node let others run, go on in the order of the replies, and send what they say in its order.
func TestWarmWaits(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		const slots, rounds = 8, 40
		for s := range slots {
			require.Empty(t, n.loadAs(uint32(s+1), "http", 64<<20, endpoint(`const n = request.headers.get("n"); console.log("before " + n);
				const [a, b] = await Promise.all([kv.get("a" + n), kv.get("b" + n)]); console.log("between " + n);
				if (n % 3 === 0) await sleep(1); return new Response(a + b + await kv.get("c" + n))`)).Code)
		}
		held := map[uint32]wire.HostCall{}
		reply := func(c wire.HostCall) wire.Message {
			return &wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: fmt.Appendf(nil, `{"present":true,"value":%q}`, c.Args[8:9])}
		}
		n.calls = func(c wire.HostCall) []wire.Message {
			c.Args = append([]byte(nil), c.Args...)
			switch c.Args[8] { // of {"key":"…
			case 'a':
				require.NotContains(t, held, c.Seq)
				held[c.Seq] = c
				return nil
			case 'b': // its answer comes first, and both with answers that nobody waits for
				return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call + 9}, reply(c), &wire.HostReply{Seq: c.Seq + 1000}, reply(held[c.Seq])}
			}
			delete(held, c.Seq)
			return []wire.Message{reply(c)}
		}
		for range rounds {
			var ms []wire.Message
			for s := range 2 * slots { // the second one of a slot waits for the first
				m := n.getOf(uint32(s%slots + 1))
				m.Head = fmt.Appendf(nil, "GET\nhttp://localhost/\n{}\nn\n%d", m.Seq)
				ms = append(ms, m)
			}
			n.send(ms...)
			done := map[uint32]bool{}
			for range 2 * slots {
				r := n.result()
				require.Equal(t, "abc", string(r.Body), r.Message)
				require.Equal(t, uint64(len(fmt.Sprintf("before %dbetween %d", r.Seq, r.Seq))), r.LogBytes)
				require.False(t, done[r.Seq])
				done[r.Seq] = true
			}
			said := map[uint32]string{}
			for i, l := range n.logs {
				said[l.Seq] += l.Message + ";"
				for _, before := range n.logs[:i] {
					require.False(t, before.Seq == l.Seq && before.Micros > l.Micros, "an execution's lines go on in time")
				}
			}
			n.logs = nil
			require.Len(t, said, 2*slots)
			for seq, lines := range said {
				require.Equal(t, fmt.Sprintf("before %d;between %d;", seq, seq), lines)
			}
		}
		require.Empty(t, held)
	})
}

// An execution that waits ends at its limits and by a Cancel, whatever runs beside it; one of many short turns ends at its CPU time.
func TestWarmWaitsWithinLimits(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`await kv.get("never"); return new Response("x")`)).Code)
		require.Empty(t, n.loadAs(2, "http", 64<<20, endpoint(`for (;;) { await kv.get("often"); for (let i = 0; i < 1e4; i++); }`)).Code)
		require.Empty(t, n.loadAs(3, "http", 64<<20, endpoint(`kv.get("never"); await sleep(30); return new Response("slept")`)).Code)
		require.Empty(t, n.loadAs(4, "http", 64<<20, endpoint(`await kv.get("often"); return new Response("went on")`)).Code)
		n.calls = func(c wire.HostCall) []wire.Message {
			if strings.Contains(string(c.Args), "never") {
				return nil
			}
			return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: []byte(`{"present":false}`)}}
		}
		wall, sleeps := n.getOf(1), n.getOf(3)
		wall.WallMillis = 80
		n.send(wall, sleeps)
		ended := map[uint32]wire.Result{}
		for len(ended) < 2 {
			m := n.getOf(4)
			n.send(m)
			for r := n.result(); r.Seq != m.Seq; r = n.result() {
				ended[r.Seq] = r
			}
		}
		require.Equal(t, "exceeded_wall_time", ended[wall.Seq].Code)
		require.GreaterOrEqual(t, ended[wall.Seq].WallMicros, uint64(80_000))
		require.False(t, ended[wall.Seq].Condemned, "nothing of it ran")
		require.Equal(t, "slept", string(ended[sleeps.Seq].Body))
		require.GreaterOrEqual(t, ended[sleeps.Seq].WallMicros, uint64(30_000))

		// Nothing else comes meanwhile.
		n.send(wall)
		require.Equal(t, "exceeded_wall_time", n.result().Code)
		require.Equal(t, "slept", string(n.get(3).Body))

		cancelled := n.getOf(1)
		n.send(cancelled, n.getOf(4), &wire.Cancel{Seq: cancelled.Seq, Code: "cancelled"})
		codes := map[string]bool{}
		for range 2 {
			codes[n.result().Code] = true
		}
		require.Equal(t, map[string]bool{"": true, "cancelled": true}, codes)

		cpu := n.getOf(2)
		cpu.CPUMillis, cpu.WallMillis = 40, 60_000
		n.send(cpu)
		r := n.result()
		require.Equal(t, "exceeded_cpu", r.Code, r.Message)
		require.GreaterOrEqual(t, r.CPUMicros, uint64(40_000))
		require.Equal(t, "went on", string(n.get(4).Body))
	})
}

// Where each frame is Go's while executions wait, the loop is tried less and less; one that it can take makes it tried at once.
func TestWarmIsTriedLessWhereItHasNothingToDo(t *testing.T) {
	t.Parallel()
	w := &worker{warm: true, leased: true, open: []*execution{{}}}
	apart := func() (n int) {
		for !w.mayWarm() {
			n++
		}
		return n
	}
	require.Zero(t, apart())
	for _, want := range []int{1, 3, 7, 15, 31, 63, mostApart, mostApart} {
		w.tried(false)
		require.Equal(t, want, apart())
	}
	w.tried(true)
	require.Zero(t, apart())
	w.tried(false)
	w.open = nil
	require.Zero(t, apart(), "nothing waits")
}

// What a script has said is sent while it runs on, as a process may end at any time.
func TestWarmSaidWhileItRuns(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(`if (globalThis.n) { console.log("before"); kv.get("k"); for (;;); } globalThis.n = 1; return new Response("first")`)).Code)
		require.Equal(t, "first", string(n.get(1).Body))
		m := n.getOf(1)
		m.WallMillis = 120_000
		n.send(m)
		for _, want := range []wire.Kind{wire.KindLog, wire.KindHostCall} {
			k, _, err := n.r.Next()
			require.NoError(t, err)
			require.Equal(t, want, k)
		}
		n.send(&wire.Cancel{Seq: m.Seq, Code: "cancelled"})
		r := n.result()
		require.Equal(t, "cancelled", r.Code)
		require.Equal(t, uint64(len("before")), r.LogBytes)
		require.Empty(t, n.logs, "once")
	})
}

func dataLimit(t *testing.T, pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`Max data size +(\d+)`).FindSubmatch(b)
	require.NotNil(t, m)
	v, err := strconv.ParseUint(string(m[1]), 10, 64)
	require.NoError(t, err)
	return v
}

// RLIMIT_DATA is the one of the slot in front.
func TestWarmMemoryLimitFollowsTheSlot(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 16<<20, helloSource).Code)
		require.Empty(t, n.loadAs(2, "http", 64<<20, helloSource).Code)
		for range 3 {
			require.Equal(t, uint32(200), n.get(1).Status)
			small := dataLimit(t, n.cmd.Process.Pid)
			require.Equal(t, uint32(200), n.get(2).Status)
			large := dataLimit(t, n.cmd.Process.Pid)
			require.Greater(t, large, small+64<<20)
		}
	})
}

// What reaches the heap limit, and what leaves too little below it, is condemned.
func TestWarmHeap(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 32<<20, endpoint(`globalThis.kept ??= []; for (let i = 0; i < 200000; i++) kept.push({i}); return new Response("x")`)).Code)
		var r wire.Result
		for i := 0; i < 50 && !r.Condemned; i++ {
			r = n.get(1)
		}
		require.True(t, r.Condemned)
		require.Empty(t, n.loadAs(1, "http", 32<<20, endpoint(`const hog = []; for (;;) hog.push(new Array(1000).fill(hog.length + 0.5))`)).Code)
		r = n.get(1)
		require.Equal(t, "exceeded_memory", r.Code)
		require.True(t, r.Condemned)
		require.Equal(t, "recalled", n.get(1).Code)
	})
}

// V8's message loop is pumped between plain requests, under the watchdog.
func TestWarmPump(t *testing.T) {
	const garbage = `globalThis.r ??= new FinalizationRegistry(() => { %s }); for (let i = 0; i < 20; i++) r.register({}, 1);
		globalThis.g = []; for (let i = 0; i < 2000; i++) g.push(new Array(100).fill(i + 0.5)); return new Response("" + (globalThis.count ?? 0))`
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(fmt.Sprintf(garbage, `globalThis.count = (globalThis.count ?? 0) + 1; console.log("nobody's"); crypto.randomUUID(); Promise.reject(1)`))).Code)
		called := 0
		for i := 0; i < 500 && called == 0; i++ {
			r := n.get(1)
			require.Empty(t, r.Code, r.Message)
			called, _ = strconv.Atoi(string(r.Body))
		}
		require.Positive(t, called, "callbacks come between requests")
		require.Empty(t, n.logs)
		require.Empty(t, n.loadAs(1, "http", 64<<20, endpoint(fmt.Sprintf(garbage, `for (;;);`))).Code)
		var r wire.Result
		for i := 0; i < 500 && r.Code == ""; i++ {
			r = n.get(1)
		}
		require.Equal(t, "recalled", r.Code, "callbacks that do not end take their isolate with them")
		require.Empty(t, n.loadAs(1, "http", 64<<20, helloSource).Code)
		require.Equal(t, uint32(200), n.get(1).Status)
	})
}

// cpuOf is the CPU time of another process.
func cpuOf(b *testing.B, pid int) time.Duration {
	var ts unix.Timespec
	require.NoError(b, unix.ClockGettime(int32(^pid)<<3|2, &ts))
	return time.Duration(ts.Nano())
}

// BenchmarkPlain is what a plain request costs the worker in CPU time, with the warm path off and on: 16 at a time, and 100 in a second.
func BenchmarkPlain(b *testing.B) {
	for _, path := range []string{"off", "on"} {
		n := spawn(b, "--warm="+path).lease()
		require.Empty(b, n.loadAs(1, "http", 64<<20, helloSource).Code)
		burst := func(count int) {
			var ms []wire.Message
			for range count {
				ms = append(ms, n.getOf(1))
			}
			n.send(ms...)
			for range count {
				require.Equal(b, uint32(200), n.result().Status)
			}
		}
		for range 500 {
			burst(16)
		}
		for _, c := range []struct {
			name  string
			count int
			apart time.Duration
		}{{"saturated", 16, 0}, {"100 a second", 1, 10 * time.Millisecond}} {
			b.Run(fmt.Sprintf("warm=%s/%s", path, c.name), func(b *testing.B) {
				before := cpuOf(b, n.cmd.Process.Pid)
				done := 0
				for b.Loop() {
					burst(c.count)
					done += c.count
					time.Sleep(c.apart)
				}
				b.ReportMetric(float64((cpuOf(b, n.cmd.Process.Pid)-before).Nanoseconds())/1000/float64(done), "cpu-µs/request")
			})
		}
	}
}
