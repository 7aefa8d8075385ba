package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/enginetest"
)

type identity struct {
	PID     int
	Tenant  string
	Env     map[string]string
	Version string
	Runs    int
}

func identify(t *testing.T, e *engine.Engine, s *engine.Script) identity {
	t.Helper()
	res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	var id identity
	require.NoError(t, json.Unmarshal(res.Output, &id))
	return id
}

func TestAWorkerServesOneTenantUntilItDies(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.MaxWorkers, c.MaxWarm = 2, 2; c.Spares = -1 })
	seen := map[int]string{}
	tenants := []*engine.Script{}
	for range 4 {
		tenants = append(tenants, enginetest.NewTenant().Script("identity", nil))
	}
	for range 5 {
		for _, s := range tenants {
			id := identify(t, e, s)
			require.Equal(t, s.TenantID.String(), id.Tenant)
			if owner, ok := seen[id.PID]; ok {
				require.Equal(t, owner, id.Tenant)
			}
			seen[id.PID] = id.Tenant
			require.LessOrEqual(t, e.Stats().Idle, 2)
		}
	}
	require.Greater(t, len(seen), 4, "four tenants in a pool of two: idle workers are replaced")
}

func TestMoreTenantsStayWarmThanMayExecute(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.MaxWorkers, c.MaxWarm = 1, 4 })
	var scripts []*engine.Script
	var workers []int
	for range 4 {
		s := enginetest.NewTenant().Script("identity", nil)
		scripts, workers = append(scripts, s), append(workers, identify(t, e, s).PID)
	}
	for i, s := range scripts {
		require.Equal(t, workers[i], identify(t, e, s).PID)
	}
	identify(t, e, enginetest.NewTenant().Script("identity", nil)) // a fifth takes the place of the worker with the longest idle time
	for i, s := range scripts[1:] {
		require.Equal(t, workers[i+1], identify(t, e, s).PID)
	}
	require.NotEqual(t, workers[0], identify(t, e, scripts[0]).PID)
}

func TestANewVersionIsLoadedInTheSameWorker(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	s := enginetest.NewTenant().Script("identity", nil)
	first := identify(t, e, s)
	newer := *s
	newer.Version, newer.Compiled = 2, "newer"
	second := identify(t, e, &newer)
	require.Equal(t, "newer", second.Version)
	require.Equal(t, first.PID, second.PID)
	equal := newer
	require.Equal(t, 3, identify(t, e, &equal).Runs)
}

func TestRetireTenantReplacesItsWorkers(t *testing.T) {
	t.Parallel()
	var secret atomic.Value
	secret.Store("one")
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Env = func(context.Context, uuid.UUID) (engine.Env, error) {
			return engine.Env{Shared: json.RawMessage(`{"S":"` + secret.Load().(string) + `"}`)}, nil
		}
	})
	tenant := enginetest.NewTenant()
	s, long := tenant.Script("identity", nil), tenant.Script("sleep:200", nil)
	other := identify(t, e, enginetest.NewTenant().Script("identity", nil))
	first := identify(t, e, s)
	require.Equal(t, "one", first.Env["S"])

	inv := enginetest.Invocation(long, "null")
	inv.OnBegin = func() { secret.Store("two"); e.RetireTenant(tenant.ID) }
	res := enginetest.Execute(t, e, inv)
	require.Equal(t, engine.CodeNone, res.Code, "what runs is not ended: %s", res.Message)
	second := identify(t, e, s)
	require.Equal(t, "two", second.Env["S"])
	require.NotEqual(t, first.PID, second.PID)
	require.NotZero(t, other.PID)
}

func TestAnEnvironmentThatCannotBeReadRefuses(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Logger = nil
		c.Env = func(context.Context, uuid.UUID) (engine.Env, error) {
			if broken.Load() {
				return engine.Env{}, errors.New("database password=hunter2")
			}
			return engine.Env{}, nil
		}
	})
	s := enginetest.NewTenant().Script("echo", nil)
	_, err := e.Execute(context.Background(), enginetest.Invocation(s, "1"))
	var refused *engine.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, engine.CodeOverloaded, refused.Code)
	require.NotContains(t, err.Error(), "hunter2")
	broken.Store(false)
	require.Equal(t, engine.CodeNone, enginetest.Execute(t, e, enginetest.Invocation(s, "1")).Code)
}

func TestConcurrencyLimits(t *testing.T) {
	t.Parallel()
	tenant := enginetest.NewTenant()
	bounded := enginetest.NewTenant()
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers, c.QueueWait = 8, time.Minute
		c.TenantConcurrency = func(id uuid.UUID) int {
			if id == bounded.ID {
				return 1
			}
			return 0
		}
	})
	for _, c := range []struct {
		name   string
		script *engine.Script
		scope  engine.Scope
	}{
		{"script", tenant.Script("sleep:5000", func(l *engine.Limits) { l.MaxConcurrentRuns = 2 }), engine.ScopeScript},
		{"tenant", bounded.Script("sleep:5000", nil), engine.ScopeTenant},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			limit := 2
			if c.scope == engine.ScopeTenant {
				limit = 1
			}
			var running sync.WaitGroup
			for range limit {
				began := make(chan struct{})
				inv := enginetest.Invocation(c.script, "null")
				inv.OnBegin = func() { close(began) }
				running.Go(func() {
					res, err := e.Execute(context.Background(), inv)
					if err != nil || res.Code != engine.CodeNone {
						t.Error(err, res)
					}
				})
				<-began
			}
			inv := enginetest.Invocation(c.script, "null")
			inv.Trigger = engine.TriggerHTTP
			_, err := e.Execute(context.Background(), inv)
			var refused *engine.RefusedError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, engine.CodeConcurrencyLimit, refused.Code)
			require.Equal(t, c.scope, refused.Scope)
			require.Equal(t, limit, refused.Limit)
			require.True(t, e.Full(c.script.ID))

			res := enginetest.Execute(t, e, enginetest.Invocation(c.script, "null"))
			require.Equal(t, engine.CodeNone, res.Code, "others wait")
			require.Positive(t, res.Metrics.Queue)
			running.Wait()
		})
	}
}

// A tenant that keeps every worker busy does not make another one wait for one of them to end.
func TestATenantThatBurnsDoesNotStarveAnother(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.MaxWorkers = 2; c.QueueWait = time.Minute; c.Logger = nil })
	burner := enginetest.NewTenant().Script("sleep:300000", func(l *engine.Limits) {
		l.MaxExecutionTime, l.MaxConcurrentRuns = 10*time.Minute, 100
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	begun := make(chan struct{}, 10)
	for range 10 {
		wg.Go(func() {
			inv := enginetest.Invocation(burner, "null")
			inv.OnBegin = func() { begun <- struct{}{} }
			_, _ = e.Execute(ctx, inv)
		})
	}
	<-begun
	<-begun
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("echo", nil), "1"))
	require.Equal(t, engine.CodeNone, res.Code)
	require.Len(t, begun, 0, "the burner has what the pool has")
	cancel()
	wg.Wait()
}

func TestOverloadIsRefused(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.MaxWorkers = 1; c.QueueWait = 2 * time.Second; c.Logger = nil })
	tenant := enginetest.NewTenant()
	ctx, cancel := context.WithCancel(context.Background())
	began := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		inv := enginetest.Invocation(tenant.Script("sleep:30000", nil), "null")
		inv.OnBegin = func() { close(began) }
		_, _ = e.Execute(ctx, inv)
	}()
	<-began
	_, err := e.Execute(context.Background(), enginetest.Invocation(tenant.Script("echo", nil), "1"))
	var refused *engine.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, engine.CodeOverloaded, refused.Code)
	require.Equal(t, engine.ScopeTenant, refused.Scope, "the tenant waits behind its own execution: that says nothing of another's")
	require.Equal(t, 1, refused.Limit, "its share of the workers")
	require.False(t, e.Full(tenant.Script("echo", nil).ID), "no limit of its own is reached")
	cancel()
	<-done
}

// A limit across nodes is divided once: its parts are what the nodes run together, also where it does not divide.
func TestALimitIsWhatTheNodesRunTogether(t *testing.T) {
	t.Parallel()
	const limit, nodes = 3, 2
	s := enginetest.NewTenant().Script("sleep:300000", func(l *engine.Limits) { l.MaxConcurrentRuns, l.MaxExecutionTime = limit, 10*time.Minute })
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	began := make(chan struct{}, 100)
	var members [nodes]cluster.Members
	sum := 0
	for place := range members {
		members[place].Set(nodes, place)
		e := enginetest.Start(t, func(c *engine.Config) {
			c.MaxWorkers, c.QueueWait, c.Members = 8, time.Minute, &members[place]
		})
		sum += members[place].Share(limit, s.ID)
		for range members[place].Share(limit, s.ID) { // as the scheduler claims
			wg.Go(func() {
				inv := enginetest.Invocation(s, "null")
				inv.OnBegin = func() { began <- struct{}{} }
				_, _ = e.Execute(ctx, inv)
			})
		}
	}
	require.Equal(t, limit, sum)
	for range limit {
		<-began // all run at one time: none of them ends
	}
	cancel()
	wg.Wait()
}

// A done context: what runs may end, what does not end is cancelled as ours, what comes is refused, and nothing is left over.
func TestAStandingQueueTakesNoRequests(t *testing.T) {
	t.Parallel()
	const wait = 20 * time.Second // so that a queue stands after two
	e := enginetest.Start(t, func(c *engine.Config) { c.MaxWorkers = 1; c.QueueWait = wait; c.Logger = nil })
	s := enginetest.NewTenant().Script("sleep:30000", nil)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	submit := func(trigger engine.Trigger, began, refused chan time.Duration) {
		inv := enginetest.Invocation(s, "null")
		inv.Trigger = trigger
		inv.OnBegin = func() { began <- 0 }
		at := time.Now()
		running.Go(func() {
			var r *engine.RefusedError
			if _, err := e.Execute(ctx, inv); errors.As(err, &r) && r.Code == engine.CodeOverloaded {
				refused <- time.Since(at)
			}
		})
	}
	began, refused := make(chan time.Duration, 100), make(chan time.Duration, 100)
	submit(engine.TriggerHTTP, began, refused)
	<-began
	submit(engine.TriggerHTTP, began, refused)
	// One that joins the queue would be refused after all of QueueWait.
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case took := <-refused:
			require.Less(t, took, wait/2)
			cancel()
			running.Wait()
			return
		case <-ticker.C:
			require.Less(t, n, 150, "no execution was refused")
			submit(engine.TriggerHTTP, began, refused)
		}
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	w := enginetest.Fake(t)
	e, err := engine.New(engine.Config{WorkerPath: w.Path, WorkerArgs: w.Args, NoWorkerImages: true, MaxWorkers: 4, DrainGrace: 500 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	tenant := enginetest.NewTenant()
	results := map[string]chan *engine.Result{}
	for _, name := range []string{"sleep:100", "sleep:60000", "hang"} {
		began, result := make(chan struct{}), make(chan *engine.Result, 1)
		results[name] = result
		inv := enginetest.Invocation(tenant.Script(name, nil), "null")
		inv.OnBegin = func() { close(began) }
		go func() {
			res, err := e.Execute(context.Background(), inv)
			if err != nil {
				t.Error(err)
			}
			result <- res
		}()
		<-began
	}
	cancel()
	require.Equal(t, engine.CodeNone, (<-results["sleep:100"]).Code)
	require.Equal(t, engine.CodeWorkerLost, (<-results["sleep:60000"]).Code)
	require.Equal(t, engine.CodeWorkerLost, (<-results["hang"]).Code)
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not end")
	}
	require.Zero(t, e.Stats().Workers)
	_, err = e.Execute(context.Background(), enginetest.Invocation(tenant.Script("echo", nil), "1"))
	var refused *engine.RefusedError
	require.ErrorAs(t, err, &refused)
}

// descriptors names what is open of this process, by kind.
func descriptors(t *testing.T) (sockets, pipes int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, entry := range entries {
		switch target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); {
		case strings.HasPrefix(target, "socket:"):
			sockets++
		case strings.HasPrefix(target, "pipe:"):
			pipes++
		}
	}
	return sockets, pipes
}

// Not parallel: it counts the descriptors of the process.
func TestNothingIsLeftOver(t *testing.T) {
	sockets, pipes := descriptors(t)
	w := enginetest.Fake(t)
	for range 3 {
		e, err := engine.New(engine.Config{WorkerPath: w.Path, WorkerArgs: w.Args, NoWorkerImages: true, MaxWorkers: 4, DrainGrace: 100 * time.Millisecond})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		tenant := enginetest.NewTenant()
		for _, name := range []string{"echo", "exit:3", "half-frame", "garbage", "echo"} {
			enginetest.Execute(t, e, enginetest.Invocation(tenant.Script(name, nil), "1"))
		}
		cancel()
		require.NoError(t, <-ended)
	}
	s, p := descriptors(t)
	require.Equal(t, sockets, s)
	require.Equal(t, pipes, p)
}

func TestIdleWorkersAreRetired(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.WorkerIdle = 50 * time.Millisecond })
	s := enginetest.NewTenant().Script("identity", nil)
	first := identify(t, e, s)
	require.Eventually(t, func() bool { return e.Stats().Idle == 0 }, 20*time.Second, 20*time.Millisecond)
	require.NotEqual(t, first.PID, identify(t, e, s).PID)
}

func TestWorkersAreRetiredByRuns(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.WorkerRuns = 3 })
	s := enginetest.NewTenant().Script("identity", nil)
	pids := map[int]int{}
	for range 9 {
		pids[identify(t, e, s).PID]++
	}
	require.Len(t, pids, 3)
}

func TestExecutionsAreNotRunTwice(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	inv := enginetest.Invocation(enginetest.NewTenant().Script("sleep:100", nil), "null")
	var once error
	inv.OnBegin = func() { _, once = e.Execute(context.Background(), inv) }
	enginetest.Execute(t, e, inv)
	require.ErrorContains(t, once, "already running")
}
