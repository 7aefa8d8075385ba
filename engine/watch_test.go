package engine_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// endings counts the causes for which workers ended.
type endings struct {
	engine.NopObserver
	mu     sync.Mutex
	causes map[string]int
}

func (o *endings) WorkerEnded(cause string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.causes == nil {
		o.causes = map[string]int{}
	}
	o.causes[cause]++
}

func (o *endings) seen() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.causes)
}

func startWatched(t *testing.T) (*engine.Engine, *endings) {
	t.Helper()
	o := &endings{}
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers, c.QuarantineAfter, c.Observer, c.Logger = 8, 1, o, nil
	})
	return e, o
}

// A worker that answers and then computes, or holds memory, while it has nothing to do is killed, and the script that it executed is in
// quarantine. Another tenant's idle worker goes on.
func TestIdleWorkersAreWatched(t *testing.T) {
	t.Parallel()
	for script, cause := range map[string]string{"burn-later": "idle_cpu", "grow-later:400": "memory"} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			e, o := startWatched(t)
			other := enginetest.NewTenant().Script("identity", nil)
			before := identify(t, e, other)
			s := enginetest.NewTenant().Script(script, nil)
			require.Equal(t, engine.CodeNone, enginetest.Execute(t, e, enginetest.Invocation(s, "null")).Code)
			require.Eventually(t, func() bool { return o.seen()[cause] == 1 && len(e.Quarantines()) == 1 }, time.Minute, 20*time.Millisecond, "%v", o.seen())
			require.Equal(t, s.ID, e.Quarantines()[0].ScriptID)
			require.Equal(t, before.PID, identify(t, e, other).PID)
		})
	}
}

// A worker that holds more than its scripts may, or has more threads than a worker has, is killed while it executes.
func TestBusyWorkersAreWatched(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]engine.Code{"grow:400": engine.CodeExceededMemory, "threads:200": engine.CodeSandboxViolation} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			e, _ := startWatched(t)
			s := enginetest.NewTenant().Script(script, func(l *engine.Limits) { l.MaxExecutionTime = 50 * time.Second })
			res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
			require.Equal(t, want, res.Code, res.Message)
			require.Len(t, e.Quarantines(), 1)
			if want == engine.CodeExceededMemory {
				require.Greater(t, res.Metrics.PeakMemoryBytes, int64(64<<20))
				require.Contains(t, res.Message, "max_memory_bytes: limit 67108864")
			}
		})
	}
}

// A tenant that may have more memory has it, and a worker that is idle and has little to do is left alone.
func TestHonestWorkersAreLeftAlone(t *testing.T) {
	t.Parallel()
	e, o := startWatched(t)
	s := enginetest.NewTenant().Script("lie-memory:400", func(l *engine.Limits) { l.MaxMemoryBytes = 512 << 20 })
	res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.Zero(t, o.seen()["memory"])
	require.Empty(t, e.Quarantines())
}

// What an execution used is what the kernel saw where the worker says less.
func TestFiguresAreTheKernelsWhereTheWorkerLies(t *testing.T) {
	t.Parallel()
	e, _ := startWatched(t)
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("lie-cpu:2000", nil), "null"))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.Greater(t, res.Metrics.CPU, 20*time.Millisecond, "it says 10 µs")

	held := enginetest.NewTenant().Script("lie-memory:30", nil)
	res = enginetest.Execute(t, e, enginetest.Invocation(held, "null"))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.Greater(t, res.Metrics.PeakMemoryBytes, int64(15<<20), "it says 1 MiB")

	// Short ones, each by the clock once the worker is known to lie.
	short := enginetest.NewTenant().Script("lie-cpu:50", nil)
	var cpu time.Duration
	for range 40 {
		res = enginetest.Execute(t, e, enginetest.Invocation(short, "null"))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		cpu += res.Metrics.CPU
	}
	require.Greater(t, cpu, 50*time.Millisecond, "they say 0.4 ms")
}
