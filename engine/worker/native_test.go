package worker

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// sustained runs the loaded source over and over as the node would: what the worker gives back is loaded and sent again. It
// returns what is left of a worker that dies.
type sustained struct {
	*node
	source string
	memory uint64
	args   []string
	failed map[string]int // by code
	// loads and workers are how many there were after the first.
	loads, workers int
	peak           uint64
	cpu            uint64 // microseconds
}

// run sends count executions, some at a time, and waits for their ends.
func (s *sustained) run(count, ahead int) {
	s.t.Helper()
	for left := count; left > 0; {
		n := min(left, ahead)
		frames := make([]wire.Message, n)
		for i := range frames {
			frames[i] = s.runOf(1, `{}`)
		}
		s.send(frames...)
		again, exiting := 0, false
		for range frames {
			r, err := s.tryResult()
			require.NoError(s.t, err, "the worker is gone: %s", s.out)
			switch r.Code {
			case "":
				s.peak = max(s.peak, r.PeakMemory)
				s.cpu += r.CPUMicros
			case wire.CodeRecalled:
				again++
				exiting = exiting || r.Exiting
			default:
				s.failed[r.Code+": "+r.Message]++
			}
		}
		left -= n - again
		if exiting {
			s.workers++
			s.node = spawn(s.t, s.args...).leaseOf(s.memory)
		}
		if again > 0 {
			s.loads++
			require.Empty(s.t, s.loadAs(1, "oneoff", s.memory, s.source).Code)
		}
	}
}

func sustain(t *testing.T, memory uint64, source string, args ...string) *sustained {
	s := &sustained{node: spawn(t, args...).leaseOf(memory), source: source, memory: memory, args: args, failed: map[string]int{}}
	require.Empty(t, s.loadAs(1, "oneoff", memory, source).Code)
	return s
}

// Objects that hold memory outside of V8's heap, of which V8 knows little or nothing: thousands of executions that each make a few
// end well, whether they follow each other at once or after a pause.
func TestNativeMemoryOfWarmExecutions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		runs       int
	}{
		{"DateTimeFormat", `return new Intl.DateTimeFormat("de", {timeZone: "Europe/Berlin"}).format(1e12)`, 6000},
		{"DateTimeFormat many", `let s; for (let i = 0; i < 300; i++) s = new Intl.DateTimeFormat("de", {timeZone: "Europe/Berlin"}).format(1e12); return s`, 40},
		{"toLocaleString", `return new Date(1e12).toLocaleString(["de", "fr", "ja"][Math.random() * 3 | 0], {timeZone: "Asia/Tokyo"})`, 3000},
		{"NumberFormat", `return new Intl.NumberFormat("de", {style: "currency", currency: "EUR"}).format(1)`, 6000},
		{"Collator", `return new Intl.Collator("de").compare("a", "b")`, 6000},
		{"Segmenter", `return [...new Intl.Segmenter("ja", {granularity: "word"}).segment("吾輩は猫である")].length`, 6000},
		{"PluralRules", `return new Intl.PluralRules("pl").select(3)`, 6000},
		{"RelativeTimeFormat", `return new Intl.RelativeTimeFormat("de").format(1, "day")`, 4000},
		{"ListFormat", `return new Intl.ListFormat("de").format(["a", "b"])`, 4000},
		{"DisplayNames", `return new Intl.DisplayNames("de", {type: "region"}).of("US")`, 4000},
		{"DurationFormat", `return Intl.DurationFormat ? new Intl.DurationFormat("de").format({hours: 1}) : 0`, 3000},
		{"Locale", `return new Intl.Locale("zh-Hant-TW").maximize().language`, 6000},
		{"RegExp", `globalThis.n = (globalThis.n ?? 0) + 1; return new RegExp("(a|b)*c" + n + "[^x]{1,50}(?<y>z)").test("abc" + n)`, 6000},
		{"strings", `return "x".repeat(1e6).split("").length`, 200},
		{"ArrayBuffer", `return new Uint8Array(5e6).fill(1).length`, 400},
		{"resizable ArrayBuffer", `const b = new ArrayBuffer(1e6, {maxByteLength: 5e6}); b.resize(5e6); new Uint8Array(b).fill(1); return b.byteLength`, 400},
		{"transfer", `return structuredClone(new ArrayBuffer(5e6)).byteLength`, 200},
		{"WeakRef", `const a = []; for (let i = 0; i < 1000; i++) a.push(new WeakRef({i})); return a.length`, 3000},
		{"WeakMap", `const m = new WeakMap(); for (let i = 0; i < 300; i++) m.set({}, {i}); return 1`, 3000},
		{"FinalizationRegistry", `globalThis.r ??= new FinalizationRegistry(() => {}); for (let i = 0; i < 100; i++) r.register({}, i); return 1`, 4000},
		{"URLPattern", `return new URLPattern({pathname: "/a/:b/*"}).test("http://x/a/1/2")`, 2000},
		{"TextDecoder", `return new TextDecoder("shift_jis").decode(new Uint8Array(1000)).length`, 3000},
		{"structuredClone", `return structuredClone({a: new Map([[1, {b: new Date(0)}]]), b: [1, 2, 3]}).b.length`, 2000},
		{"crypto keys", `const k = await crypto.subtle.generateKey({name: "HMAC", hash: "SHA-256"}, true, ["sign"]); return (await crypto.subtle.sign("HMAC", k, new Uint8Array(10))).byteLength`, 2000},
		{"CompressionStream", `const s = new Blob(["x".repeat(5000)]).stream().pipeThrough(new CompressionStream("gzip")); return (await new Response(s).arrayBuffer()).byteLength`, 1000},
		{"CompressionStream left open", `const w = new CompressionStream("gzip").writable.getWriter(); w.write(new Uint8Array(1000)).catch(() => {}); return 1`, 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, ahead := range []int{1, 50} {
				s := sustain(t, 24<<20, script(c.body))
				s.run(c.runs/2, ahead)
				size, _ := anonymous(s.cmd.Process.Pid)
				t.Logf("%d ahead: failed %v, loads %d, workers %d, peak %d KiB, holds %d KiB", ahead, s.failed, s.loads, s.workers, s.peak>>10, size>>10)
				require.Empty(t, s.failed)
				require.Less(t, s.loads, 5)
				// A worker that is given up in time costs no execution. How many are depends on what else the machine does.
				require.Less(t, s.workers, 5)
			}
		})
	}
}

// V8's message loop is pumped between executions: callbacks of a FinalizationRegistry come, and what was registered goes.
func TestFinalizersBetweenExecutions(t *testing.T) {
	t.Parallel()
	s := sustain(t, 64<<20, script(`globalThis.count ??= 0; globalThis.r ??= new FinalizationRegistry(() => { count++ });
		for (let i = 0; i < 100; i++) r.register({i}, "x".repeat(50)); return count`))
	count := func() (n int) {
		s.send(s.runOf(1, `{}`))
		r := s.result()
		require.Empty(t, r.Code, r.Message)
		_, err := fmt.Sscan(string(r.Body), &n)
		require.NoError(t, err)
		return n
	}
	s.run(6000, 20)
	held, ok := anonymous(s.cmd.Process.Pid)
	require.True(t, ok)
	called := count()
	t.Logf("after 6,000 executions that registered 100 objects each: %d KiB, %d callbacks, failed %v", held>>10, called, s.failed)
	require.Empty(t, s.failed)
	require.Zero(t, s.loads)
	require.Greater(t, called, 100*4000)
	require.Less(t, held, uint64(60<<20))
}

// What callbacks do between executions is none of the next execution's: not its failure, its log, its calls or its time.
func TestFinalizersAreOnNobodysClock(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	n.calls = func(c wire.HostCall) []wire.Message {
		require.Fail(t, "a call between executions: "+c.Method)
		return nil
	}
	// A registry's callbacks come after a collection of garbage, for which the script makes some.
	const source = `globalThis.seen ??= [];
		globalThis.r ??= new FinalizationRegistry((v) => {
			console.log("late"); Promise.reject(new Error("late"));
			for (const f of [() => fetch("http://a.test/"), () => setTimeout(() => {}, 1)]) try { f() } catch (e) { seen.push(e.message) }
			seen.push("called"); throw new Error("late too");
		});
		for (let i = 0; i < 5; i++) r.register({}, 1);
		globalThis.g = []; for (let i = 0; i < 2000; i++) g.push(new Array(100).fill(i + 0.5));
		return seen`
	require.Empty(t, n.load(1, script(source)).Code)
	called := false
	for range 200 {
		r := n.run(1, `{}`)
		require.Empty(t, r.Code, r.Message)
		if string(r.Body) != "[]" {
			require.Contains(t, string(r.Body), "between executions")
			require.Contains(t, string(r.Body), "called")
			called = true
			break
		}
	}
	require.True(t, called)
	require.Empty(t, n.logs)

	// A callback that does not end costs its isolate, and no execution.
	require.Empty(t, n.load(2, script(`globalThis.r ??= new FinalizationRegistry(() => { for (;;); });
		for (let i = 0; i < 5; i++) r.register({}, 1);
		globalThis.g = []; for (let i = 0; i < 2000; i++) g.push(new Array(100).fill(i + 0.5));
		return 1`)).Code)
	dropped := false
	for range 200 {
		m := n.runOf(2, `{}`)
		m.CPUMillis = 60
		n.send(m)
		r := n.result()
		if r.Code == wire.CodeRecalled {
			dropped = true
			break
		}
		require.Empty(t, r.Code, r.Message)
	}
	require.True(t, dropped)
	require.Empty(t, n.run(1, `{}`).Code, "the other script's isolate lives")
}

// The memory that is reported counts what is outside of V8's heap.
func TestPeakCountsNativeMemory(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`globalThis.all = []; for (let i = 0; i < 400; i++) all.push(new Intl.DateTimeFormat("de", {timeZone: "Europe/Berlin"})); return 1`)).Code)
	idle, ok := anonymous(n.cmd.Process.Pid)
	require.True(t, ok)
	r := n.run(1, `{}`)
	require.Empty(t, r.Code, r.Message)
	now, ok := anonymous(n.cmd.Process.Pid)
	require.True(t, ok)
	t.Logf("reported %d KiB, by the kernel %d KiB more", r.PeakMemory>>10, (now-idle)>>10)
	require.GreaterOrEqual(t, r.PeakMemory, (now-idle)*3/4)
}
