package invoke_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
)

const endpoint = `export default {
	async fetch(request, env, ctx) { return Response.json({ hello: ctx.params.name }); },
	run(input) { return input; },
	event() { const until = Date.now() + 1e9; while (Date.now() < until); },
}`

func script(b testing.TB, tenant *enginetest.Tenant, source string) *engine.Script {
	b.Helper()
	out, err := compile.Compile(context.Background(), compile.Input{Source: source, Handler: "fetch"})
	require.NoError(b, err)
	s := tenant.Script("endpoint", nil)
	s.Compiled, s.SourceMap, s.Type = out.Compiled, out.SourceMap, "http"
	return s
}

func request(s *engine.Script) *engine.Invocation {
	return &engine.Invocation{
		ExecutionID: uuid.New(), Script: s, Trigger: engine.TriggerHTTP, Handler: engine.HandlerFetch, Attempt: 1, QueuedAt: time.Now(),
		Request: &engine.Request{
			Method: "GET", URL: "http://localhost:8080/hello/world", Params: map[string]string{"name": "world"},
			Headers: []string{"accept", "*/*", "user-agent", "bench"},
		},
	}
}

func start(b testing.TB) *engine.Engine {
	return enginetest.Real(b).Start(b, func(c *engine.Config) { c.Spares = 2; c.MaxWorkers = 8; c.Logger = nil; c.QuarantineAfter = -1 })
}

func execute(b testing.TB, e *engine.Engine, inv *engine.Invocation) *engine.Result {
	res, err := e.Execute(context.Background(), inv)
	if err != nil {
		b.Error(err)
		runtime.Goexit()
	}
	if res.Code != engine.CodeNone {
		b.Error(res.Code, res.Message)
	}
	return res
}

// One caller, one warm script: node to worker and back.
func BenchmarkWarm(b *testing.B) {
	for _, c := range []struct {
		name string
		make func(*engine.Script) *engine.Invocation
	}{
		{"fetch", request},
		{"run", func(s *engine.Script) *engine.Invocation { return enginetest.Invocation(s, `{"a":1}`) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := start(b)
			s := script(b, enginetest.NewTenant(), endpoint)
			for range 2000 {
				execute(b, e, c.make(s))
			}
			took := make([]time.Duration, 0, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				began := time.Now()
				execute(b, e, c.make(s))
				took = append(took, time.Since(began))
			}
			b.StopTimer()
			report(b, took)
		})
	}
}

// The first execution of a script that no worker has loaded: of a tenant that has a worker, and of one that has none.
func BenchmarkCold(b *testing.B) {
	for _, spare := range []bool{false, true} {
		name := "script"
		if spare {
			name = "tenant"
		}
		b.Run(name, func(b *testing.B) {
			e := start(b)
			tenant := enginetest.NewTenant()
			execute(b, e, request(script(b, tenant, endpoint)))
			took := make([]time.Duration, 0, b.N)
			for range b.N {
				if spare {
					tenant = enginetest.NewTenant()
				}
				inv := request(script(b, tenant, endpoint))
				require.Eventually(b, func() bool { return e.Stats().Spares > 0 }, time.Minute, time.Millisecond)
				began := time.Now()
				res := execute(b, e, inv)
				took = append(took, time.Since(began))
				if !res.Metrics.ColdStart {
					b.Fatal("warm")
				}
			}
			report(b, took)
		})
	}
}

// Many callers of one short script: they queue at its worker.
func BenchmarkPipelined(b *testing.B) {
	for _, callers := range []int{4, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			e := start(b)
			s := script(b, enginetest.NewTenant(), endpoint)
			for range 2000 {
				execute(b, e, request(s))
			}
			var (
				wg   sync.WaitGroup
				next atomic.Int64
				mu   sync.Mutex
				took []time.Duration
			)
			before := cpu(b)
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					var own []time.Duration
					for next.Add(1) <= int64(b.N) {
						began := time.Now()
						execute(b, e, request(s))
						own = append(own, time.Since(began))
					}
					mu.Lock()
					took = append(took, own...)
					mu.Unlock()
				})
			}
			wg.Wait()
			b.StopTimer()
			report(b, took)
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "node-µs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric(float64(e.Stats().Workers), "workers")
		})
	}
}

// A small endpoint of one tenant, alone and while another tenant burns all the CPU that it may have.
func BenchmarkBesideABurner(b *testing.B) {
	for _, burning := range []bool{false, true} {
		name := "alone"
		if burning {
			name = "beside"
		}
		b.Run(name, func(b *testing.B) {
			e := start(b)
			s := script(b, enginetest.NewTenant(), endpoint)
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			if burning {
				burner := script(b, enginetest.NewTenant(), endpoint)
				burner.Limits.MaxExecutionTime = 5 * time.Minute
				burner.Limits.MaxConcurrentRuns = 5
				for range 5 {
					wg.Go(func() {
						inv := enginetest.Invocation(burner, "null")
						inv.Handler = engine.HandlerEvent
						_, _ = e.Execute(ctx, inv)
					})
				}
				require.Eventually(b, func() bool { return e.Stats().Busy == 5 }, time.Minute, time.Millisecond)
				time.Sleep(time.Second) // until the burners have given way
			}
			for range 200 {
				execute(b, e, request(s))
			}
			took := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for range b.N {
				began := time.Now()
				execute(b, e, request(s))
				took = append(took, time.Since(began))
			}
			b.StopTimer()
			report(b, took)
			cancel()
			wg.Wait()
		})
	}
}

// cpu is the node's CPU time, the benchmark's own included.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[min(int(q*float64(len(took))), len(took)-1)]) / 1e3 }
	b.ReportMetric(at(.5), "p50-µs")
	b.ReportMetric(at(.99), "p99-µs")
}

func TestMain(m *testing.M) {
	enginetest.Main()
	m.Run()
}
