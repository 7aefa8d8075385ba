package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/enginetest"
	"example.com/jsruntime/engine/internal/pool"
	"example.com/jsruntime/engine/internal/wire"
)

// The test binary is the worker, and a bad one where a script's name says so: no JavaScript runs here.
func TestMain(m *testing.M) {
	enginetest.Main()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// start runs a pool until the test ends.
func start(t *testing.T, change func(*pool.Config)) *pool.Pool {
	t.Helper()
	p, stop := run(t, change)
	t.Cleanup(func() { require.NoError(t, stop()) })
	return p
}

// run runs a pool until stop is called.
func run(t *testing.T, change func(*pool.Config)) (p *pool.Pool, stop func() error) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cfg := pool.Config{
		Path: exe, Args: enginetest.Args(enginetest.StartGood), Build: "fake", Logger: enginetest.Logger(t), NoImages: true,
		MaxWorkers: 4, MaxLeased: 8, MaxIdle: 1 << 30, MaxParked: 8, Spares: 1, MaxPending: 100,
		Grace: 250 * time.Millisecond, CleanUp: 100 * time.Millisecond, DrainGrace: 100 * time.Millisecond,
		Idle: time.Hour, Age: time.Hour, Runs: 1 << 20, MaxMemory: 512 << 20,
		ScriptShare: func(_ pool.Key, limit int) int { return limit }, TenantShare: func(pool.Key) int { return 0 },
	}
	if change != nil {
		change(&cfg)
	}
	p, err = pool.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() error {
		cancel()
		return <-done
	}
}

// call is a request whose script the fake worker performs by its name.
type call struct {
	pool.Call
	began  chan struct{} // has room for one
	begins atomic.Int32
	framed chan struct{} // has room for one: its worker executes it
}

func (c *call) Begin(time.Time) {
	c.begins.Add(1)
	select {
	case c.began <- struct{}{}:
	default:
	}
}

func (c *call) Frame(pool.Ref, wire.Kind, []byte) error {
	select {
	case c.framed <- struct{}{}:
	default:
	}
	return nil
}

func program(tenant uuid.UUID, name string) *pool.Program {
	return &pool.Program{
		Script: uuid.New(), Tenant: tenant, TenantSlug: "tenant", Name: name, Version: 1, Source: []byte("-"),
		MaxMemory: 64 << 20, LoadTime: 500 * time.Millisecond,
	}
}

func newCall(prog *pool.Program) *call {
	c := &call{began: make(chan struct{}, 1), framed: make(chan struct{}, 1)}
	c.Program, c.Handler, c.Done = prog, c, make(chan struct{}, 1)
	c.Run = wire.Run{Handler: wire.HandlerRun, WallMillis: 600_000, OutputLimit: 1 << 20, LogLimit: 1 << 20, Context: []byte("{}"), Body: []byte("1")}
	c.Wall, c.Patience, c.LimitPatience = 10*time.Minute, time.Minute, time.Minute
	return c
}

func ending(t *testing.T, c *call) *pool.Ending {
	t.Helper()
	select {
	case <-c.Done:
		return &c.Ending
	case <-time.After(time.Minute):
		t.Fatal("the call does not end")
		return nil
	}
}

func execute(t *testing.T, p *pool.Pool, prog *pool.Program) *pool.Ending {
	t.Helper()
	c := newCall(prog)
	p.Submit(&c.Call)
	return ending(t, c)
}

// A worker that does what no worker of ours does ends its call as the table says, and its tenant's next call has another worker.
func TestVillains(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *pool.Config) { c.MaxWorkers, c.MaxLeased = 8, 64 })
	for name, want := range map[string]struct {
		kind  pool.EndKind
		cause string
	}{
		"exit:3":              {pool.EndDeath, pool.CauseDied},
		"signal:9":            {pool.EndDeath, pool.CauseDied},
		"half-frame":          {pool.EndDeath, pool.CauseDied},
		"close":               {pool.EndDeath, pool.CauseDied},
		"huge":                {pool.EndDeath, pool.CauseProtocol},
		"garbage":             {pool.EndDeath, pool.CauseProtocol},
		"unknown-seq":         {pool.EndDeath, pool.CauseProtocol},
		"unknown-log":         {pool.EndDeath, pool.CauseProtocol},
		"unknown-slot":        {pool.EndDeath, pool.CauseProtocol},
		"answers-for-another": {pool.EndDeath, pool.CauseProtocol},
		"goes-on-unasked":     {pool.EndDeath, pool.CauseProtocol},
		"node-kind":           {pool.EndDeath, pool.CauseProtocol},
		"hang":                {pool.EndDeath, pool.CauseDeadline},
		"boot-hang":           {pool.EndDeath, pool.CauseDeadline},
		"boot-crash":          {pool.EndDeath, pool.CauseDied},
		"boot-error":          {pool.EndLoad, ""},
		"condemned":           {pool.EndResult, ""},
		"exiting":             {pool.EndResult, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tenant := uuid.New()
			c := newCall(program(tenant, name))
			if name == "hang" {
				c.Wall = 300 * time.Millisecond
			}
			p.Submit(&c.Call)
			end := ending(t, c)
			require.Equal(t, want.kind, end.Kind)
			if want.kind == pool.EndDeath {
				require.Equal(t, want.cause, end.Death.Cause, end.Death.Reason)
				require.False(t, end.Began.IsZero())
			}
			require.Equal(t, pool.EndResult, execute(t, p, program(tenant, "echo")).Kind)
		})
	}
}

// A worker that does not start well is never leased: the call that waits for it is refused at its patience, and the pool says so.
func TestBadStarts(t *testing.T) {
	t.Parallel()
	for _, how := range []string{
		enginetest.StartCrash, enginetest.StartHang, enginetest.StartProtocol, enginetest.StartBuild,
		enginetest.StartHalf, enginetest.StartHuge, enginetest.StartSilent,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := start(t, func(c *pool.Config) {
				c.Args, c.HelloTimeout, c.Logger = enginetest.Args(how), 300*time.Millisecond, enginetest.Logger(t)
			})
			c := newCall(program(uuid.New(), "echo"))
			c.Patience, c.LimitPatience = 300*time.Millisecond, 300*time.Millisecond
			p.Submit(&c.Call)
			end := ending(t, c)
			require.Equal(t, pool.EndRefused, end.Kind)
			require.Equal(t, admission.ReasonWorkers, end.Refusal.Reason)
			require.Equal(t, admission.ScopeNode, end.Refusal.Scope)
			require.False(t, p.Able())
		})
	}
}

// Calls that wait behind one that kills their worker had not begun: they run at another, once each, in any case.
func TestCallsOfADeadWorkerRunElsewhere(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *pool.Config) { c.MaxWorkers = 1 })
	tenant := uuid.New()
	echo := program(tenant, "echo")
	var calls []*call
	killer := newCall(program(tenant, "exit:3"))
	p.Submit(&killer.Call)
	for range 20 {
		c := newCall(echo)
		p.Submit(&c.Call)
		calls = append(calls, c)
	}
	require.Equal(t, pool.EndDeath, ending(t, killer).Kind)
	for _, c := range calls {
		require.Equal(t, pool.EndResult, ending(t, c).Kind)
		require.EqualValues(t, 1, c.begins.Load())
	}
}

// A script that kills each worker before its calls begin does not have them tried for ever.
func TestALoadThatKillsIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	prog := program(uuid.New(), "boot-crash")
	a, b := newCall(prog), newCall(prog)
	p.Submit(&a.Call)
	p.Submit(&b.Call)
	for _, c := range []*call{a, b} {
		end := ending(t, c)
		require.Equal(t, pool.EndDeath, end.Kind)
		require.Zero(t, c.begins.Load())
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *pool.Config) { c.MaxWorkers = 1 })
	prog := program(uuid.New(), "kv") // waits for the host
	prog.Concurrency = 1
	executing, waiting := newCall(prog), newCall(prog)
	p.Submit(&executing.Call)
	<-executing.framed
	p.Submit(&waiting.Call)
	require.True(t, p.Full(prog.Script))

	p.Cancel(&waiting.Call, pool.Stop{Code: "cancelled"})
	end := ending(t, waiting)
	require.Equal(t, pool.EndCancelled, end.Kind)
	require.Zero(t, waiting.begins.Load())

	p.Cancel(&executing.Call, pool.Stop{Code: "cancelled", Grace: time.Second})
	end = ending(t, executing)
	require.Equal(t, pool.EndResult, end.Kind)
	require.Equal(t, "cancelled", end.Cancel)
	p.Cancel(&executing.Call, pool.Stop{Code: "cancelled"}) // it is over: nothing happens
	require.Equal(t, pool.EndResult, execute(t, p, program(prog.Tenant, "echo")).Kind)

	// A worker that does not react is killed after the grace.
	deaf := newCall(program(uuid.New(), "deaf"))
	p.Submit(&deaf.Call)
	<-deaf.framed
	p.Cancel(&deaf.Call, pool.Stop{Code: "cancelled"})
	end = ending(t, deaf)
	require.Equal(t, pool.EndDeath, end.Kind)
	require.Equal(t, pool.CauseCancelled, end.Death.Cause)
}

// Where a limit keeps a call waiting, the refusal says whose and how large it is.
func TestRefusalsSayWhose(t *testing.T) {
	t.Parallel()
	bounded := uuid.New()
	p := start(t, func(c *pool.Config) {
		c.TenantShare = func(id pool.Key) int {
			if id == bounded {
				return 1
			}
			return 0
		}
	})
	for name, want := range map[string]admission.Refusal{
		"script": {Reason: admission.ReasonConcurrency, Scope: admission.ScopeScript, Limit: 2},
		"tenant": {Reason: admission.ReasonConcurrency, Scope: admission.ScopeTenant, Limit: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prog := program(bounded, "sleep:600000")
			if name == "script" {
				prog.Tenant, prog.Concurrency = uuid.New(), 2
			}
			var busy []*call
			for range want.Limit {
				c := newCall(prog)
				p.Submit(&c.Call)
				<-c.began
				busy = append(busy, c)
			}
			c := newCall(prog)
			c.LimitPatience = 100 * time.Millisecond
			p.Submit(&c.Call)
			end := ending(t, c)
			require.Equal(t, pool.EndRefused, end.Kind)
			require.Positive(t, end.Refusal.Wait)
			end.Refusal.Wait = 0
			require.Equal(t, want, end.Refusal)
			for _, c := range busy {
				p.Cancel(&c.Call, pool.Stop{Code: "cancelled"})
				ending(t, c)
			}
		})
	}
}

// A worker's environment is its tenant's at the time when its calls begin.
func TestRetireTenant(t *testing.T) {
	t.Parallel()
	var value atomic.Value
	value.Store("one")
	p := start(t, func(c *pool.Config) {
		c.Env = func(context.Context, pool.Key) (pool.Env, error) {
			return pool.Env{Shared: json.RawMessage(`{"S":"` + value.Load().(string) + `"}`)}, nil
		}
	})
	prog := program(uuid.New(), "identity")
	require.Contains(t, string(execute(t, p, prog).Result.Body), `"one"`)
	value.Store("two")
	p.RetireTenant(prog.Tenant)
	require.Contains(t, string(execute(t, p, prog).Result.Body), `"two"`)
}

// A pool that ends lets calls end, cancels the others, refuses waiting and further calls, and leaves no process.
func TestShutdown(t *testing.T) {
	t.Parallel()
	p, stop := run(t, func(c *pool.Config) { c.MaxWorkers = 1 })
	prog := program(uuid.New(), "sleep:600000")
	prog.Concurrency = 1
	executing, waiting := newCall(prog), newCall(prog)
	p.Submit(&executing.Call)
	<-executing.began
	p.Submit(&waiting.Call)
	require.NoError(t, stop())
	end := ending(t, executing)
	require.Contains(t, []pool.EndKind{pool.EndResult, pool.EndCancelled}, end.Kind)
	require.Equal(t, "cancelled", end.Cancel)
	require.Equal(t, admission.ReasonClosing, ending(t, waiting).Refusal.Reason)
	require.Equal(t, admission.ReasonClosing, execute(t, p, prog).Refusal.Reason)
	s := p.Stats()
	require.Zero(t, s.Workers)
	require.Zero(t, s.Calls)
}

// Whatever calls, cancellations, deaths and changes of tenants cross each other: every call has one ending.
func TestEveryCallEndsOnce(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *pool.Config) { c.MaxWorkers, c.MaxPending, c.Runs = 3, 1000, 20 })
	tenants := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	var programs []*pool.Program
	for _, tenant := range tenants {
		for _, name := range []string{"echo", "echo", "sleep:3", "exit:3", "throw", "boot-error"} {
			prog := program(tenant, name)
			prog.Concurrency = 2
			programs = append(programs, prog)
		}
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 100 {
				prog := programs[(n*31+i*7)%len(programs)]
				c := newCall(prog)
				p.Submit(&c.Call)
				switch i % 10 {
				case 3:
					p.Cancel(&c.Call, pool.Stop{Code: "cancelled"})
				case 7:
					if i == 77 {
						p.RetireTenant(prog.Tenant)
					}
				}
				select {
				case <-c.Done:
				case <-time.After(time.Minute):
					t.Errorf("a call of %s does not end", prog.Name)
					return
				}
				// A call that is recalled while it comes to the front begins, and begins again where it is placed next.
				if c.Ending.Kind == pool.EndResult && strings.HasPrefix(prog.Name, "echo") && c.Ending.Cancel == "" && c.begins.Load() == 0 {
					t.Error("a call ended without a begin")
				}
				if len(c.Done) > 0 {
					t.Error("a call ended twice")
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, p.Stats().Calls)
}

// BenchmarkCall is what a call of an idle worker costs, to the worker's process and back.
func BenchmarkCall(b *testing.B) {
	exe, err := os.Executable()
	require.NoError(b, err)
	p, err := pool.New(pool.Config{
		Path: exe, Args: enginetest.Args(enginetest.StartGood), Build: "fake", Logger: enginetest.Logger(b), MaxWorkers: 2, MaxLeased: 2, MaxIdle: 1 << 30,
		MaxParked: 2, MaxPending: 100, Grace: time.Second, Idle: time.Hour, Age: time.Hour, Runs: 1 << 30, MaxMemory: 512 << 20,
		ScriptShare: func(pool.Key, int) int { return 0 }, TenantShare: func(pool.Key) int { return 0 },
	})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	c := newCall(program(uuid.New(), "echo"))
	b.ReportAllocs()
	for b.Loop() {
		p.Submit(&c.Call)
		<-c.Done
		if c.Ending.Kind != pool.EndResult {
			b.Fatal(c.Ending)
		}
	}
	cancel()
	require.NoError(b, <-done)
}

// V8's code of a script's version goes from the first worker of it to the next one, and nowhere else.
func TestCodeCache(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *pool.Config) { c.MaxWorkers, c.CodeCache = 8, 1<<20 })
	long := func(tenant uuid.UUID, name string) *pool.Program {
		prog := program(tenant, name)
		prog.Source = bytes.Repeat([]byte("-"), 64<<10)
		return prog
	}
	had := func(prog *pool.Program) string {
		t.Helper()
		e := execute(t, p, prog)
		require.Equal(t, pool.EndResult, e.Kind)
		var cache string
		require.NoError(t, json.Unmarshal(e.Result.Body, &cache))
		return cache
	}
	// end ends the tenant's worker, so that its next call has another.
	end := func(tenant uuid.UUID) { require.Equal(t, pool.EndDeath, execute(t, p, program(tenant, "exit:3")).Kind) }

	tenant := uuid.New()
	prog := long(tenant, "cached")
	require.Empty(t, had(prog))
	require.Empty(t, had(prog))
	end(tenant)
	require.Equal(t, "code of cached", had(prog))
	end(tenant)
	require.Equal(t, "code of cached", had(prog))
	next := *prog // another version, or the same text of another script
	end(tenant)
	require.Empty(t, had(&next))
	require.Empty(t, had(long(uuid.New(), "cached")))

	// What a worker makes that has executed anything is not taken.
	tenant = uuid.New()
	require.Equal(t, pool.EndResult, execute(t, p, program(tenant, "echo")).Kind)
	prog = long(tenant, "cached")
	require.Empty(t, had(prog))
	end(tenant)
	require.Empty(t, had(prog))
	end(tenant)
	require.Equal(t, "code of cached", had(prog))

	// What V8 refuses is given to no further worker.
	tenant = uuid.New()
	prog = long(tenant, "refused-cache")
	require.Empty(t, had(prog))
	end(tenant)
	require.Equal(t, "code of refused-cache", had(prog))
	end(tenant)
	require.Empty(t, had(prog))

	// A short script has none, and none is taken that was not asked for.
	e := execute(t, p, program(uuid.New(), "unasked-cache"))
	require.Equal(t, pool.EndDeath, e.Kind)
	require.Equal(t, pool.CauseProtocol, e.Death.Cause)
}
