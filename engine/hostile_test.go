package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
)

// attack is one file of testdata/hostile. Its first line says how it may end:
//
//	// expect: timeout exceeded_wall_time or failed exceeded_memory, within 2 s
//
// "within" bounds the wall time on an idle machine. What may follow, after commas: "output <json>" the execution's output;
// "handler fetch"; "limit <n> s" a max_execution_time_ms other than 1 s where an ending is a timeout, and than two minutes where none is;
// "cpu <n> ms" a max_cpu_time_ms.
type attack struct {
	name    string
	source  string
	endings []string // "status error_code", or "completed"
	within  time.Duration
	output  string
	handler engine.Handler
	limit   time.Duration
	cpu     time.Duration
}

func parseAttack(name, source string) (attack, error) {
	a := attack{name: name, source: source, handler: engine.HandlerRun, limit: 2 * time.Minute}
	line, _, _ := strings.Cut(source, "\n")
	text, ok := strings.CutPrefix(line, "// expect: ")
	if !ok {
		return a, errors.New("the first line is not // expect: …")
	}
	endings, rest, _ := strings.Cut(text, ", ")
	a.endings = strings.Split(endings, " or ")
	if strings.Contains(endings, "timeout ") {
		a.limit = time.Second
	}
	for rest != "" {
		var part string
		if strings.HasPrefix(rest, "output ") { // takes what is left: JSON has commas
			part, rest = rest, ""
		} else {
			part, rest, _ = strings.Cut(rest, ", ")
		}
		key, value, _ := strings.Cut(part, " ")
		switch key {
		case "within", "limit":
			n, err := strconv.ParseFloat(strings.TrimSuffix(value, " s"), 64)
			if err != nil {
				return a, err
			}
			d := time.Duration(n * float64(time.Second))
			if key == "within" {
				a.within = d
			} else {
				a.limit = d
			}
		case "output":
			a.output = value
		case "handler":
			a.handler = engine.Handler(value)
		case "cpu":
			n, err := strconv.Atoi(strings.TrimSuffix(value, " ms"))
			if err != nil {
				return a, err
			}
			a.cpu = time.Duration(n) * time.Millisecond
		default:
			return a, fmt.Errorf("unknown part %q", part)
		}
	}
	if a.within == 0 {
		return a, errors.New("no time bound")
	}
	return a, nil
}

func attacks(t testing.TB) []attack {
	t.Helper()
	paths, err := filepath.Glob("testdata/hostile/*.js")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 200, "the corpus is gone")
	var all []attack
	for _, p := range paths {
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		a, err := parseAttack(strings.TrimSuffix(filepath.Base(p), ".js"), string(b))
		require.NoError(t, err, p)
		all = append(all, a)
	}
	return all
}

func (a attack) script(t testing.TB, tenant *enginetest.Tenant) *engine.Script {
	t.Helper()
	out, err := compile.Compile(context.Background(), compile.Input{Source: a.source, Handler: string(a.handler)})
	require.NoError(t, err)
	s := tenant.Script(a.name, func(l *engine.Limits) {
		l.MaxExecutionTime = a.limit
		l.MaxCPUTime = a.cpu
		l.MaxConcurrentRuns = 100
	})
	s.Compiled, s.SourceMap, s.Handlers = out.Compiled, out.SourceMap, out.Handlers
	if a.handler == engine.HandlerFetch {
		s.Type = "http"
	}
	return s
}

func (a attack) invocation(s *engine.Script) *engine.Invocation {
	inv := enginetest.Invocation(s, `{"__proto__":{"x":1},"constructor":{"prototype":{"y":1}}}`)
	if a.handler == engine.HandlerFetch {
		inv.Handler = engine.HandlerFetch
		inv.Input = nil
		inv.Request = &engine.Request{Method: "GET", URL: "http://tenant.test/a?b=c", Headers: []string{"accept", "*/*"}}
		inv.Response = discard{}
	}
	return inv
}

// discard takes streamed responses.
type discard struct{}

func (discard) Head(int, []string) error { return nil }
func (discard) Write([]byte) error       { return nil }

// hostileHost answers every host call.
type hostileHost struct{}

func (hostileHost) Call(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	switch call.Method {
	case "fetch":
		return nil, &engine.HostError{Name: "TypeError", Message: "fetch blocked"}
	default:
		return &engine.HostReply{Payload: json.RawMessage("null")}, nil
	}
}

func startHostile(t testing.TB) *engine.Engine {
	w := enginetest.Real(t)
	return enginetest.Start(t, func(c *engine.Config) {
		c.WorkerPath, c.WorkerArgs, c.NoWorkerImages = w.Path, w.Args, false
		if jit := os.Getenv("HOSTILE_JIT"); jit != "" { // make hostile runs the corpus at each level
			c.WorkerArgs = append(slices.Clone(w.Args), "--jit="+jit)
		}
		if warm := os.Getenv("WORKER_WARM"); warm != "" {
			c.WorkerArgs = append(slices.Clone(c.WorkerArgs), "--warm="+warm)
		}
		c.Sandbox = "auto"
		c.MaxWorkers = 16
		c.Spares = 2
		c.QueueWait = 60 * time.Second
		c.ConcurrencyWait = 60 * time.Second
		c.QuarantineAfter = -1
		c.Host = hostileHost{}
	})
}

// patience is how many times slower than an idle machine this one may be.
func patience() float64 {
	if n, err := strconv.ParseFloat(os.Getenv("HOSTILE_PATIENCE"), 64); err == nil && n > 0 {
		return n
	}
	return 10
}

// judge checks how an attack ended.
func judge(a attack, res *engine.Result, wall time.Duration) error {
	ending := string(res.Code.Status())
	if res.Code != engine.CodeNone {
		ending += " " + string(res.Code)
	}
	switch {
	case !slices.Contains(a.endings, ending):
		return fmt.Errorf("ended as %q (%.300s), not as %q", ending, res.Message, a.endings)
	case wall.Seconds() > a.within.Seconds()*patience():
		return fmt.Errorf("took %s, bound %s", wall, a.within)
	case len(res.Message) > 8<<10:
		return fmt.Errorf("a message of %d bytes", len(res.Message))
	case len(res.Stack) > 16<<10:
		return fmt.Errorf("a stack of %d bytes", len(res.Stack))
	case !utf8.ValidString(res.Message) || !utf8.ValidString(res.Stack):
		return errors.New("a message that is not UTF-8")
	case strings.Contains(res.Stack, "jsruntime:"):
		return fmt.Errorf("our own frames in the stack: %s", res.Stack)
	case res.Code == engine.CodeNone && len(res.Output) > 0 && !json.Valid(res.Output):
		return fmt.Errorf("an output that is not JSON: %.100s", res.Output)
	case a.output != "" && string(res.Output) != a.output:
		return fmt.Errorf("output %s, not %s", res.Output, a.output)
	}
	logs := 0
	for _, l := range res.Logs {
		if len(l.Message) > 8<<10 {
			return fmt.Errorf("a log line of %d bytes", len(l.Message))
		}
		logs += len(l.Message)
	}
	if logs > 64<<10+200 {
		return fmt.Errorf("%d bytes of log", logs)
	}
	for _, limit := range []string{"exceeded_wall_time", "exceeded_memory", "exceeded_cpu", "output_too_large"} {
		if string(res.Code) == limit && !strings.Contains(res.Message, "limit ") {
			return fmt.Errorf("a message that does not name the limit: %s", res.Message)
		}
	}
	return nil
}

// bystander is a second tenant that is served while the attacks run. It counts wrong answers.
type bystander struct {
	e      *engine.Engine
	script *engine.Script
	n      atomic.Int64
}

func newBystander(t testing.TB, e *engine.Engine) *bystander {
	t.Helper()
	out, err := compile.Compile(context.Background(), compile.Input{Handler: "run", Source: `
		export default { async run(input) { await new Promise((r) => setTimeout(r, 20)); return { n: input.n, keys: Object.keys(Object.prototype).length + ("pwned" in globalThis ? 1 : 0) }; } }`})
	require.NoError(t, err)
	s := enginetest.NewTenant().Script("bystander", func(l *engine.Limits) {
		l.MaxConcurrentRuns = 1000
		l.MaxExecutionTime = 30 * time.Second
	})
	s.Compiled = out.Compiled
	return &bystander{e: e, script: s}
}

// serve runs one request of the second tenant.
func (b *bystander) serve() error {
	n := b.n.Add(1)
	res, err := b.e.Execute(context.Background(), enginetest.Invocation(b.script, fmt.Sprintf(`{"n":%d}`, n)))
	if err != nil {
		return fmt.Errorf("the second tenant was refused: %w", err)
	}
	var out struct {
		N    int64 `json:"n"`
		Keys int   `json:"keys"`
	}
	if res.Code != engine.CodeNone {
		return fmt.Errorf("the second tenant's request ended as %s: %s", res.Code, res.Message)
	}
	if err := json.Unmarshal(res.Output, &out); err != nil || out.N != n || out.Keys != 0 {
		return fmt.Errorf("the second tenant got %s for %d", res.Output, n)
	}
	return nil
}

// innocent is what the attacker's own tenant runs afterwards.
const innocent = `export default { run(input, env, ctx) { return [ctx.tenantId.length, [1, 2].map((x) => x + 1)]; } };`

// TestHostile runs every attack against a real worker. After each, and while it runs, a second tenant's request is answered right,
// and then a harmless script of the attacker's tenant is.
func TestHostile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and runs the real worker")
	}
	e := startHostile(t)
	b := newBystander(t, e)
	clean, err := compile.Compile(context.Background(), compile.Input{Source: innocent, Handler: "run"})
	require.NoError(t, err)
	for _, a := range attacks(t) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			tenant := enginetest.NewTenant()
			s := a.script(t, tenant)
			began := make(chan struct{})
			inv := a.invocation(s)
			inv.OnBegin = func() { close(began) }
			meanwhile, ended := make(chan error, 1), make(chan struct{})
			go func() {
				select {
				case <-began:
				case <-ended: // it did not load
				}
				meanwhile <- b.serve()
			}()
			started := time.Now()
			res, err := e.Execute(context.Background(), inv)
			wall := time.Since(started)
			close(ended)
			require.NoError(t, err)
			require.NoError(t, <-meanwhile)
			require.NoError(t, judge(a, res, res.Metrics.Duration))
			require.Less(t, res.Metrics.PeakMemoryBytes, int64(400<<20))
			t.Logf("%s %s %.120s (%s)", res.Code.Outcome(), wall.Round(time.Millisecond), res.Message, res.Metrics.CPU.Round(time.Millisecond))

			after := tenant.Script("innocent", func(l *engine.Limits) { l.MaxExecutionTime = 30 * time.Second })
			after.Compiled = clean.Compiled
			again, err := e.Execute(context.Background(), enginetest.Invocation(after, "null"))
			require.NoError(t, err)
			require.Equal(t, engine.CodeNone, again.Code, again.Message)
			require.JSONEq(t, `[36,[2,3]]`, string(again.Output))
			require.NoError(t, b.serve())
		})
	}
}

// TestHostileMixed runs attacks at random from four tenants, two at a time each, while a fifth is served: for HOSTILE_DURATION, 10 s
// if that is not set. The fifth gets no wrong answer, and of the node nothing is left over or grows.
func TestHostileMixed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the real worker")
	}
	duration := 10 * time.Second
	if d, err := time.ParseDuration(os.Getenv("HOSTILE_DURATION")); err == nil {
		duration = d
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	e := startHostile(t)
	b := newBystander(t, e)
	require.NoError(t, b.serve())
	all := attacks(t)

	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	var attacked, wrong atomic.Int64
	storm := func(d time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		var attackers sync.WaitGroup
		for k := range 4 {
			tenant := enginetest.NewTenant()
			for j := range 2 {
				r := rand.New(rand.NewPCG(seed, uint64(10*k+j)))
				attackers.Go(func() {
					for ctx.Err() == nil {
						a := all[r.IntN(len(all))]
						res, err := e.Execute(context.Background(), a.invocation(a.script(t, tenant)))
						if err != nil {
							wrong.Add(1)
							t.Errorf("%s was refused: %v", a.name, err)
							return
						}
						attacked.Add(1)
						if err := judge(a, res, 0); err != nil {
							// A worker that another attack of the same tenant killed takes what it had begun with it.
							if res.Code == engine.CodeWorkerLost || res.Code == engine.CodeExceededMemory || res.Code == engine.CodeExceededWallTime {
								continue
							}
							wrong.Add(1)
							t.Errorf("%s: %v", a.name, err)
						}
					}
				})
			}
		}
		for ctx.Err() == nil {
			if err := b.serve(); err != nil {
				wrong.Add(1)
				t.Error(err)
			}
		}
		attackers.Wait()
	}
	storm(duration / 4)
	heapBefore, descriptorsBefore := heap(), descriptors()
	storm(duration - duration/4)
	require.Zero(t, wrong.Load())
	require.Positive(t, attacked.Load())
	stats := e.Stats()
	t.Logf("%d attacks, %d requests of the fifth; heap %d KiB, then %d KiB; %d descriptors, then %d; %+v",
		attacked.Load(), b.n.Load(), heapBefore>>10, heap()>>10, descriptorsBefore, descriptors(), stats)
	require.Less(t, heap(), heapBefore+32<<20)
	// Two descriptors a worker.
	require.LessOrEqual(t, descriptors(), descriptorsBefore+2*stats.Workers+4)
	require.LessOrEqual(t, stats.Workers, 16+64)
}
