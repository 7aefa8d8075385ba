package worker

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
)

// asWorker, as the first argument, makes the test binary a worker.
const asWorker = "jsruntime-test-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asWorker {
		os.Exit(Main(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// node is the other side of a worker's socket.
type node struct {
	t     testing.TB
	cmd   *exec.Cmd
	conn  *os.File
	r     *wire.Reader
	hello wire.Hello
	seq   uint32
	logs  []wire.Log
	calls func(wire.HostCall) []wire.Message
	head  *wire.Head
	body  []byte
	last  *wire.Chunk // of the response's body
	// onAnswer and onLast are called as what they name comes.
	answer   *wire.Answer
	onAnswer func()
	onLast   func()
	goesOn   int
	out      *strings.Builder
}

func spawn(t testing.TB, args ...string) *node {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	ours, theirs := os.NewFile(uintptr(fds[0]), "node"), os.NewFile(uintptr(fds[1]), "worker")
	self, err := os.Executable()
	require.NoError(t, err)
	n := &node{t: t, conn: ours, r: wire.NewReader(ours, 0), out: &strings.Builder{}}
	if warm := os.Getenv("WORKER_WARM"); warm != "" { // the tests run with the warm path forced on or off
		args = append([]string{"--warm=" + warm}, args...)
	}
	n.cmd = exec.Command(self, append([]string{asWorker}, args...)...)
	// GORACE: under the race detector a process sleeps for a second before it ends.
	n.cmd.Env = []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "TZ=UTC", "LANG=C", "GORACE=atexit_sleep_ms=0"}
	n.cmd.ExtraFiles = []*os.File{theirs}
	n.cmd.Stderr = n.out
	n.cmd.Dir = "/"
	attr, _ := sandbox.Attr(sandbox.Config{Path: self, Args: []string{asWorker}})
	attr.Pdeathsig = 0 // tied to the thread that starts it, which a test does not keep
	n.cmd.SysProcAttr = attr
	require.NoError(t, n.cmd.Start())
	theirs.Close()
	t.Cleanup(func() {
		ours.Close()
		if n.cmd.ProcessState == nil {
			timer := time.AfterFunc(5*time.Second, func() { _ = n.cmd.Process.Kill() })
			_ = n.cmd.Wait()
			timer.Stop()
		}
		if t.Failed() && n.out.Len() > 0 {
			t.Logf("worker's stderr: %.4000s", n.out.String())
		}
	})
	k, p, err := n.r.Next()
	require.NoError(t, err, "hello; stderr: %s", n.out)
	require.Equal(t, wire.KindHello, k)
	n.hello, err = wire.ParseHello(p)
	require.NoError(t, err)
	return n
}

func (n *node) send(ms ...wire.Message) {
	var b []byte
	for _, m := range ms {
		b = m.Append(b)
	}
	_, err := n.conn.Write(b)
	require.NoError(n.t, err)
}

func (n *node) lease() *node { return n.leaseOf(64 << 20) }

// leaseOf leases the worker to a tenant whose scripts may have so many bytes.
func (n *node) leaseOf(maxMemory uint64) *node {
	n.send(&wire.Lease{TenantID: "t-1", TenantSlug: "acme", MaxMemory: maxMemory, Env: []byte(`{"KEY":"v"}`)})
	return n
}

func (n *node) load(slot uint32, source string) wire.Loaded {
	return n.loadAs(slot, "oneoff", 64<<20, source)
}

// wrapped is CommonJS as package compile hands it over.
func wrapped(source string) string { return "(function(module,exports,require){" + source + "\n})" }

func (n *node) loadAs(slot uint32, scriptType string, memory uint64, source string) wire.Loaded {
	n.t.Helper()
	static := fmt.Sprintf(`{"organizationId":"o-1","scriptId":"s-1","scriptName":"demo","version":3,"scriptType":%q,"limits":{"max_memory_bytes":%d}}`, scriptType, memory)
	n.send(&wire.Load{Slot: slot, MaxMemory: memory, Name: "demo", Static: []byte(static), Source: []byte(wrapped(source))})
	k, p, err := n.r.Next()
	require.NoError(n.t, err)
	require.Equal(n.t, wire.KindLoaded, k)
	m, err := wire.ParseLoaded(p)
	require.NoError(n.t, err)
	return m
}

func (n *node) runOf(slot uint32, input string) *wire.Run {
	n.seq++
	return &wire.Run{
		Seq: n.seq, Slot: slot, Handler: wire.HandlerRun, WallMillis: 2000, OutputLimit: 1 << 20, LogLimit: 64 << 10,
		Context: []byte(`{"executionId":"e-1","trigger":"manual","attempt":1}`), Body: []byte(input),
	}
}

// result reads to the next Result, serving what comes before it.
func (n *node) result() wire.Result {
	n.t.Helper()
	r, err := n.tryResult()
	require.NoError(n.t, err)
	return r
}

func (n *node) tryResult() (wire.Result, error) {
	for {
		k, p, err := n.r.Next()
		if err != nil {
			return wire.Result{}, err
		}
		switch k {
		case wire.KindResult:
			m, err := wire.ParseResult(p)
			m.Body = append([]byte(nil), m.Body...)
			m.Headers = append([]byte(nil), m.Headers...)
			return m, err
		case wire.KindLog:
			m, err := wire.ParseLog(p)
			require.NoError(n.t, err)
			n.logs = append(n.logs, m)
		case wire.KindHostCall:
			m, err := wire.ParseHostCall(p)
			require.NoError(n.t, err)
			if n.calls != nil {
				n.send(n.calls(m)...)
			}
		case wire.KindHead:
			m, err := wire.ParseHead(p)
			require.NoError(n.t, err)
			m.Headers = append([]byte(nil), m.Headers...)
			n.head = &m
		case wire.KindChunk:
			m, err := wire.ParseChunk(p)
			require.NoError(n.t, err)
			n.body = append(n.body, m.Data...)
			if m.Last {
				n.last = &m
				if n.onLast != nil {
					n.onLast()
				}
				continue
			}
			n.send(&wire.Credit{Seq: m.Seq, Bytes: uint32(len(m.Data))})
		case wire.KindAnswer:
			m, err := wire.ParseAnswer(p)
			require.NoError(n.t, err)
			m.Headers, m.Body = append([]byte(nil), m.Headers...), append([]byte(nil), m.Body...)
			require.Nil(n.t, n.answer, "a second Answer")
			n.answer = &m
			if n.onAnswer != nil {
				n.onAnswer()
			}
		case wire.KindGoesOn:
			_, err := wire.ParseGoesOn(p)
			require.NoError(n.t, err)
			n.goesOn++
		case wire.KindHostCancel, wire.KindCredit:
		default:
			require.Failf(n.t, "frame", "kind %d", k)
		}
	}
}

func (n *node) run(slot uint32, input string) wire.Result {
	n.t.Helper()
	n.send(n.runOf(slot, input))
	return n.result()
}

// script makes a module of a handler's body.
func script(body string) string {
	return "module.exports = { default: { async run(input, env, ctx) {" + body + "\n} } };"
}

func TestRun(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	t.Logf("hello: %+v", n.hello)
	adj, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", n.cmd.Process.Pid))
	require.NoError(t, err)
	require.Equal(t, "500\n", string(adj))
	for _, c := range []struct{ name, body, want string }{
		{"value", `return input.a + 1`, `2`},
		{"undefined", ``, `null`},
		{"env", `return env`, `{"KEY":"v"}`},
		{"context", `return [ctx.executionId, ctx.tenantId, ctx.tenantSlug, ctx.scriptName, ctx.version, ctx.attempt, ctx.trigger, ctx.remainingTimeMs() > 0]`,
			`["e-1","t-1","acme","demo",3,1,"manual",true]`},
		{"await", `await null; await Promise.resolve(); return "x"`, `"x"`},
		{"text", `return "é\u0000\ud800😀"`, `"é\u0000\ud800😀"`},
		{"gone", `return [typeof WebAssembly, typeof SharedArrayBuffer, typeof Atomics.wait, typeof process, typeof require]`,
			`["undefined","undefined","undefined","undefined","function"]`},
	} {
		require.Empty(t, n.load(1, script(c.body)).Code, c.name)
		r := n.run(1, `{"a":1}`)
		require.Equal(t, "", r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.JSONEq(t, c.want, string(r.Body), c.name)
		require.Equal(t, c.want, string(r.Body), c.name)
		require.NotZero(t, r.WallMicros)
		require.NotZero(t, r.PeakMemory)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct{ name, body, code, message string }{
		{"error", `throw new TypeError("no")`, "exception", "TypeError: no"},
		{"null", `throw null`, "exception", "null"},
		{"symbol", `throw Symbol("s")`, "exception", "Symbol(s)"},
		{"object", `throw {a: 1}`, "exception", `{"a":1}`},
		{"response", `throw new Response("no such page", {status: 404})`, "exception", "Response 404"},
		{"response with a text", `throw new Response(null, {status: 403, statusText: "Not yours"})`, "exception", "Response 403 Not yours"},
		{"response of a rejection", `Promise.reject(Response.json({}, {status: 500})); return 1`, "exception", "Unhandled rejection: Response 500"},
		{"error with an object as message", `const e = new RangeError(); e.message = { toString() { for (;;); } }; throw e`, "exception", "RangeError"},
		{"error with neither", `const e = new Error(); e.message = e.name = undefined; throw e`, "exception", "an Error"},
		{"object with a name", `throw {name: "n", code: 7}`, "exception", `{"name":"n","code":7}`},
		{"array", `throw [1, {a: 2}]`, "exception", `[1,{"a":2}]`},
		{"instance", `class Refused { constructor() { this.code = 7 } } throw new Refused()`, "exception", "Refused { code: 7 }"},
		{"map", `throw new Map([["a", 1]])`, "exception", "Map(1) { 'a' => 1 }"},
		{"promise", `return Promise.reject(Promise.resolve(3))`, "exception", "Promise {"},
		{"event", `throw new Event("closed")`, "exception", "Event {"},
		{"a BigInt", `throw 12n`, "exception", "12n"},
		{"a function", `throw function named() {}`, "exception", "[Function: named]"},
		{"circular object", `const a = {b: 1}; a.a = a; throw a`, "exception", "<ref *1> { b: 1, a: [Circular *1] }"},
		{"large object", `throw {a: "x".repeat(100_000)}`, "exception", `{"a":"xxx`},
		{"proxy", `throw new Proxy({}, {get() { throw 1 }})`, "exception", "an object"},
		{"cycle", `const a = {}; a.a = a; return a`, "invalid_output", "circular"},
		{"bigint", `return 1n`, "invalid_output", "BigInt"},
		{"function", `return () => 1`, "invalid_output", "a function"},
		{"deep", `let a = []; for (let i = 0; i < 3000; i++) a = [a]; return a`, "invalid_output", "deeper"},
		{"large", `return "x".repeat(2 << 20)`, "output_too_large", "limit 1048576, observed 2097154"},
		{"never", `await new Promise(() => {})`, "unsettled", "never settle"},
		{"rejection", `Promise.reject(new Error("late")); return 1`, "exception", "Unhandled rejection: Error: late"},
		{"rejection later", `Promise.resolve().then(() => { Promise.reject(new Error("late")) }); await null; return 1`, "exception", "Unhandled rejection: Error: late"},
		{"eval", `return eval("1")`, "exception", "EvalError"},
		{"no retry", `const e = new Error("x"); e.name = "NonRetryableError"; throw e`, "exception", "NonRetryableError: x"},
	} {
		require.Empty(t, n.load(1, script(c.body)).Code, c.name)
		r := n.run(1, `{}`)
		require.Equal(t, c.code, r.Code, "%s: %s %s", c.name, r.Message, r.Body)
		require.Contains(t, r.Message, c.message, c.name)
		require.LessOrEqual(t, len(r.Message), 8<<10, c.name)
		require.Equal(t, c.name == "no retry", r.NoRetry)
		require.False(t, r.Condemned, c.name)
	}
	// A handled rejection is none.
	require.Empty(t, n.load(1, script(`const p = Promise.reject(1); await null; try { await p } catch {} return 2`)).Code)
	require.Equal(t, "2", string(n.run(1, `{}`).Body))
	// Boot.
	require.Equal(t, "boot_error", n.load(1, "throw new Error('top')").Code)
	require.Equal(t, "boot_error", n.load(1, "syntax error(").Code)
	require.Empty(t, n.load(1, "module.exports = {default: {}}").Code)
	require.Equal(t, "handler_missing", n.run(1, "1").Code)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	run := func(body string, change func(*wire.Run)) wire.Result {
		require.Empty(t, n.load(1, script(body)).Code)
		m := n.runOf(1, "{}")
		change(m)
		n.send(m)
		return n.result()
	}
	r := run(`for (;;);`, func(m *wire.Run) { m.WallMillis = 100 })
	require.Equal(t, "exceeded_wall_time", r.Code, r.Message)
	require.True(t, r.Condemned)
	require.Contains(t, r.Message, "limit 100")
	require.GreaterOrEqual(t, r.WallMicros, uint64(100_000))

	r = run(`for (;;);`, func(m *wire.Run) { m.CPUMillis = 50 })
	require.Equal(t, "exceeded_cpu", r.Code, r.Message)
	require.Contains(t, r.Message, "limit 50")

	r = run(`const a = []; for (;;) a.push({})`, func(m *wire.Run) { m.WallMillis = 60_000 })
	require.Equal(t, "exceeded_memory", r.Code, r.Message)
	require.True(t, r.Condemned)
	require.Contains(t, r.Message, "limit 67108864")

	// Microtasks that never end.
	r = run(`const f = () => Promise.resolve().then(f); f(); return 1`, func(m *wire.Run) { m.WallMillis = 100 })
	require.Equal(t, "exceeded_wall_time", r.Code, r.Message)

	// The isolate of another slot is untouched.
	require.Empty(t, n.load(2, script(`return 7`)).Code)
	require.Equal(t, "7", string(n.run(2, "{}").Body))
}

func TestQueueAndCancel(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`if (input.loop) for (;;); return input.n`)).Code)
	// Pipelined Runs are answered in order.
	var ms []wire.Message
	for i := range 100 {
		ms = append(ms, n.runOf(1, fmt.Sprintf(`{"n":%d}`, i)))
	}
	n.send(ms...)
	for i := range 100 {
		r := n.result()
		require.Equal(t, ms[i].(*wire.Run).Seq, r.Seq)
		require.Equal(t, fmt.Sprint(i), string(r.Body))
	}
	// One that runs for ever, one that waits behind it: both can be cancelled, the one that waits at once.
	a, b := n.runOf(1, `{"loop":true}`), n.runOf(1, `{}`)
	a.WallMillis = 60_000
	n.send(a, b, &wire.Cancel{Seq: b.Seq, Code: wire.CodeRecalled})
	r := n.result()
	require.Equal(t, b.Seq, r.Seq)
	require.Equal(t, wire.CodeRecalled, r.Code)
	require.Zero(t, r.WallMicros)
	n.send(&wire.Cancel{Seq: a.Seq, Code: "cancelled"})
	r = n.result()
	require.Equal(t, a.Seq, r.Seq)
	require.Equal(t, "cancelled", r.Code)
	require.True(t, r.Condemned)
	// A Run for the slot that is gone is handed back.
	require.Equal(t, wire.CodeRecalled, n.run(1, `{}`).Code)
}

func TestHostCalls(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	n.calls = func(c wire.HostCall) []wire.Message {
		if c.Method == "kv.get" {
			return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: append([]byte(`{"got":`), append(c.Args, '}')...)}}
		}
		return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, Payload: []byte(`{"name":"TypeError","message":"no such thing","code":"nope"}`)}}
	}
	if !hasModule(t, n) {
		t.Skip("no module file")
	}
	require.Empty(t, n.load(1, `const {kv} = require("jsruntime"); module.exports = {default: {async run(input) { return await Promise.all([kv.get("a"), kv.get("b")]) }}}`).Code)
	r := n.run(1, "{}")
	require.Equal(t, "", r.Code, r.Message)
	t.Logf("%s", r.Body)
}

func hasModule(t *testing.T, n *node) bool {
	t.Helper()
	return n.load(1, `require("jsruntime"); module.exports = {default: {run() {}}}`).Code == ""
}

func TestRetainedState(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, `let n = 0; module.exports = {default: {run() { return ++n }}}`).Code)
	for i := 1; i <= 3; i++ {
		require.Equal(t, fmt.Sprint(i), string(n.run(1, "{}").Body))
	}
	require.Empty(t, n.load(1, `let n = 0; module.exports = {default: {run() { return ++n }}}`).Code)
	require.Equal(t, "1", string(n.run(1, "{}").Body))
	var v any
	require.NoError(t, json.Unmarshal(n.run(1, "{}").Body, &v))
}

func TestStrictSandboxAndNoJIT(t *testing.T) {
	t.Parallel()
	n := spawn(t, "--jit=off").lease()
	require.Contains(t, n.hello.Layers, "seccomp=on")
	require.Empty(t, n.load(1, script(`let n = 0; for (let i = 0; i < 1e6; i++) n += i % 7; return [n, /a+b/.test("aab"), [3, 1, 2].sort()]`)).Code)
	r := n.run(1, "{}")
	require.Empty(t, r.Code, r.Message)
	require.JSONEq(t, `[2999997,true,[1,2,3]]`, string(r.Body))
}

// An isolate that is not used for longest goes when there are too many, or when they hold too much together; a Run for it comes back,
// not begun. What the others hold is not taken from a script's own limit: the last one still gets its 32 MiB.
func TestIsolatesAreBounded(t *testing.T) {
	t.Parallel()
	hungry := script(`const kept = []; for (let i = 0; i < 32; i++) kept.push(new Array(131072).fill(i + 0.5)); return kept.length`)
	for _, c := range []struct {
		maxMemory uint64
		fit       uint32
	}{{512 << 20, wire.MaxIsolates}, {64 << 20, 20}} {
		n := spawn(t).leaseOf(c.maxMemory)
		for slot := uint32(1); slot < c.fit; slot++ {
			require.Empty(t, n.load(slot, script(`return 1`)).Code)
			require.Equal(t, "1", string(n.run(slot, "{}").Body))
		}
		require.Empty(t, n.load(c.fit, hungry).Code)
		r := n.run(c.fit, "{}")
		require.Equal(t, "32", string(r.Body), r.Message)
		require.Equal(t, "1", string(n.run(1, "{}").Body), "all fit")
		for slot := c.fit + 1; slot <= c.fit+20; slot++ {
			require.Empty(t, n.load(slot, script(`return 1`)).Code)
			require.Equal(t, "1", string(n.run(slot, "{}").Body))
		}
		require.Equal(t, wire.CodeRecalled, n.run(2, "{}").Code)
		require.Equal(t, "1", string(n.run(1, "{}").Body), "used later than the second")
	}
}

// ctx.signal is aborted before the execution ends as a timeout; an isolate that only waited is not condemned.
func TestTimeoutWhileWaiting(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`
		ctx.signal.addEventListener("abort", () => console.log(ctx.signal.reason.name));
		if (input.wait) await new Promise((r) => setTimeout(r, 60000));
		return 1`)).Code)
	m := n.runOf(1, `{"wait":true}`)
	m.WallMillis = 1000
	n.send(m)
	r := n.result()
	require.Equal(t, "exceeded_wall_time", r.Code)
	require.False(t, r.Condemned)
	require.Len(t, n.logs, 1)
	require.Equal(t, "TimeoutError", n.logs[0].Message)
	require.Equal(t, "1", string(n.run(1, "{}").Body))
}

// While executions wait, each in its own isolate, another slot's Run begins; each keeps its number, its log and its end.
func TestExecutionsWaitBesideEachOther(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	const count = 24
	for i := range count {
		n.send(&wire.Load{Slot: uint32(i + 1), MaxMemory: 64 << 20, Name: "demo", Static: []byte(`{"scriptType":"oneoff"}`),
			Source: []byte(wrapped(script(`const v = await fetch("https://a.test/" + input.n); console.log("n" + input.n); return input.n + await v.text();`)))})
		m := n.runOf(uint32(i+1), fmt.Sprintf(`{"n":%d}`, i))
		m.WallMillis = 20_000
		if i == 3 {
			m.WallMillis = 2000
		}
		n.send(m)
	}
	calls := map[uint32]wire.HostCall{}
	ended := map[uint32]wire.Result{}
	behind := n.runOf(2, `{"n":"behind"}`)
	behind.WallMillis = 20_000
	n.send(behind)
	for len(calls) < count+1 || len(ended) < count+1 {
		k, p, err := n.r.Next()
		require.NoError(t, err)
		switch k {
		case wire.KindLoaded:
			m, err := wire.ParseLoaded(p)
			require.NoError(t, err)
			require.Empty(t, m.Code, m.Message)
		case wire.KindHostCall:
			c, err := wire.ParseHostCall(p)
			require.NoError(t, err)
			calls[c.Seq] = c
			switch {
			case len(calls) == count: // all wait at one time; the last comes first
				for seq := uint32(count); seq > 0; seq-- {
					if seq == 6 {
						n.send(&wire.Cancel{Seq: seq, Code: "cancelled"})
					} else if seq != 4 {
						n.send(&wire.HostReply{Seq: seq, Call: 1, OK: true, Payload: []byte(`{"status":200,"headers":[],"url":"","hasBody":true}`), Body: []byte("!")})
					}
				}
			case len(calls) > count:
				require.Equal(t, behind.Seq, c.Seq)
				require.Contains(t, ended, uint32(2), "it comes after the one of its isolate")
				n.send(&wire.HostReply{Seq: c.Seq, Call: 1, OK: true, Payload: []byte(`{"status":200,"headers":[],"url":"","hasBody":true}`), Body: []byte("!")})
			}
		case wire.KindLog:
			m, err := wire.ParseLog(p)
			require.NoError(t, err)
			if m.Seq != behind.Seq {
				require.Equal(t, fmt.Sprintf("n%d", m.Seq-1), m.Message)
			}
		case wire.KindResult:
			r, err := wire.ParseResult(p)
			require.NoError(t, err)
			require.NotContains(t, ended, r.Seq)
			r.Body = append([]byte(nil), r.Body...)
			ended[r.Seq] = r
		default:
		}
	}
	for seq, r := range ended {
		switch seq {
		case 4:
			require.Equal(t, "exceeded_wall_time", r.Code)
			require.Contains(t, r.Message, "limit 2000")
		case 6:
			require.Equal(t, "cancelled", r.Code)
		case behind.Seq:
			require.Equal(t, `"behind!"`, string(r.Body))
		default:
			require.Empty(t, r.Code, r.Message)
			require.Equal(t, fmt.Sprintf(`"%d!"`, seq-1), string(r.Body))
		}
		require.False(t, r.Condemned)
	}
}

// One that runs for ever takes nothing from those that wait beside it: their deadlines and their Cancel are answered meanwhile, and
// the isolate of each is as good as new afterwards.
func TestOneThatBurnsLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for slot := range uint32(4) {
		require.Empty(t, n.load(slot, script(`if (input.burn) for (;;); if (input.wait) await new Promise((r) => setTimeout(r, input.wait)); return 7`)).Code)
	}
	short, cancelled, kept, burns := n.runOf(0, `{"wait":60000}`), n.runOf(1, `{"wait":60000}`), n.runOf(2, `{"wait":500}`), n.runOf(3, `{"burn":true}`)
	short.WallMillis, cancelled.WallMillis, kept.WallMillis, burns.WallMillis, burns.CPUMillis = 100, 60_000, 60_000, 60_000, 1000
	n.send(short, cancelled, kept, burns)
	r := n.result()
	require.Equal(t, short.Seq, r.Seq)
	require.Equal(t, "exceeded_wall_time", r.Code)
	n.send(&wire.Cancel{Seq: cancelled.Seq, Code: "cancelled"})
	r = n.result()
	require.Equal(t, cancelled.Seq, r.Seq)
	require.Equal(t, "cancelled", r.Code)
	again := n.runOf(0, `{}`) // its isolate is free for the node, and cleared before the Run
	n.send(again)
	r = n.result()
	require.Equal(t, burns.Seq, r.Seq)
	require.Equal(t, "exceeded_cpu", r.Code)
	require.True(t, r.Condemned)
	left := map[uint32]bool{kept.Seq: true, again.Seq: true}
	for len(left) > 0 {
		r = n.result()
		require.True(t, left[r.Seq], r.Seq)
		delete(left, r.Seq)
		require.Empty(t, r.Code, r.Message)
		require.Equal(t, "7", string(r.Body))
		require.Less(t, r.CPUMicros, uint64(1_000_000), "the time of another is not its own")
	}
	require.Equal(t, "7", string(n.run(1, "{}").Body))
}
