package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// Each script's worker does something that no worker of ours does. Its execution ends as the table says, and a second tenant is
// served before, meanwhile and afterwards.
func TestVillains(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers = 8
		c.Host = hostFunc(func(ctx context.Context, _ *engine.HostCall) (*engine.HostReply, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	})
	other := enginetest.NewTenant().Script("echo", nil)
	for script, want := range map[string]engine.Code{
		"exit:0":    engine.CodeWorkerLost,
		"exit:3":    engine.CodeWorkerLost,
		"exit:87":   engine.CodeExceededMemory,
		"exit:88":   engine.CodeWorkerLost,
		"signal:5":  engine.CodeExceededMemory,
		"signal:31": engine.CodeSandboxViolation,
		"signal:9":  engine.CodeWorkerLost,
		"print-and-exit:fatal error: runtime: out of memory": engine.CodeExceededMemory,
		"print-and-exit:panic: a bug":                        engine.CodeWorkerLost,
		"half-frame":                                         engine.CodeWorkerLost,
		"huge":                                               engine.CodeWorkerLost,
		"garbage":                                            engine.CodeWorkerLost,
		"unknown-seq":                                        engine.CodeWorkerLost,
		"unknown-log":                                        engine.CodeWorkerLost,
		"unknown-slot":                                       engine.CodeWorkerLost,
		"same-call":                                          engine.CodeWorkerLost,
		"credit":                                             engine.CodeWorkerLost,
		"overrun":                                            engine.CodeWorkerLost,
		"node-kind":                                          engine.CodeWorkerLost,
		"close":                                              engine.CodeWorkerLost,
		"hang":                                               engine.CodeExceededWallTime,
		"spin":                                               engine.CodeExceededWallTime,
		"boot-error":                                         engine.CodeBootError,
		"boot-hang":                                          engine.CodeExceededWallTime,
		"boot-crash":                                         engine.CodeExceededMemory,
		"lie":                                                engine.CodeException,
		"condemned":                                          engine.CodeExceededMemory,
		"answers-twice":                                      engine.CodeWorkerLost,
		"answers-lies":                                       engine.CodeException,
		"answers-and-dies":                                   engine.CodeWorkerLost,
		"answers-too-much":                                   engine.CodeOutputTooLarge,
		"answers-for-another":                                engine.CodeWorkerLost,
		"goes-on-unasked":                                    engine.CodeWorkerLost,
		"twice":                                              engine.CodeNone,
		"flood":                                              engine.CodeSandboxViolation,
		"exiting":                                            engine.CodeNone,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			tenant := enginetest.NewTenant()
			s := tenant.Script(script, func(l *engine.Limits) {
				if want == engine.CodeExceededWallTime {
					l.MaxExecutionTime = 500 * time.Millisecond
				}
			})
			res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
			require.Equal(t, want, res.Code, res.Message)
			require.LessOrEqual(t, len(res.Message), 8<<10)
			res = enginetest.Execute(t, e, enginetest.Invocation(other, "1"))
			require.Equal(t, engine.CodeNone, res.Code, res.Message)
			if script == "twice" {
				return // its second Result may reach the tenant's next execution, and ends that worker
			}
			res = enginetest.Execute(t, e, enginetest.Invocation(tenant.Script("echo", nil), "2"))
			require.Equal(t, engine.CodeNone, res.Code, res.Message)
		})
	}
}

// A worker that does not start well is never given a script, and the execution that waited for it is refused.
func TestBadStarts(t *testing.T) {
	t.Parallel()
	for _, start := range []string{
		enginetest.StartCrash, enginetest.StartHang, enginetest.StartProtocol, enginetest.StartBuild,
		enginetest.StartHalf, enginetest.StartHuge, enginetest.StartSilent,
	} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			e := enginetest.Start(t, func(c *engine.Config) {
				c.WorkerArgs = enginetest.Args(start)
				c.Build = "fake"
				c.QueueWait = 300 * time.Millisecond
				c.Logger = nil
			})
			_, err := e.Execute(context.Background(), enginetest.Invocation(enginetest.NewTenant().Script("echo", nil), "1"))
			var refused *engine.RefusedError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, engine.CodeOverloaded, refused.Code)
			require.Positive(t, refused.RetryAfter)
			require.Zero(t, e.Stats().Spares)
		})
	}
}

func TestWorkerOutputIsBounded(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.WorkerArgs = enginetest.Args(enginetest.StartNoisy); c.Logger = nil })
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("echo", nil), "1"))
	require.Equal(t, engine.CodeNone, res.Code)
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.QuarantineAfter = 3; c.Logger = nil })
	s := enginetest.NewTenant().Script("exit:3", nil)
	for range 3 {
		require.Equal(t, engine.CodeWorkerLost, enginetest.Execute(t, e, enginetest.Invocation(s, "1")).Code)
	}
	_, err := e.Execute(context.Background(), enginetest.Invocation(s, "1"))
	var refused *engine.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, engine.CodeQuarantined, refused.Code)
	require.Len(t, e.Quarantines(), 1)
	require.Equal(t, s.ID, e.Quarantines()[0].ScriptID)

	newer := *s
	newer.Version = 2
	require.Equal(t, engine.CodeWorkerLost, enginetest.Execute(t, e, enginetest.Invocation(&newer, "1")).Code)

	e.Release(s.ID)
	require.Equal(t, engine.CodeWorkerLost, enginetest.Execute(t, e, enginetest.Invocation(s, "1")).Code)
}

// What waits behind an execution that kills its worker had not begun, and runs elsewhere.
func TestQueuedExecutionsSurviveAWorker(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.MaxWorkers = 1; c.Logger = nil })
	tenant := enginetest.NewTenant()
	killer := tenant.Script("hang", func(l *engine.Limits) { l.MaxExecutionTime = 200 * time.Millisecond })
	echo := tenant.Script("echo", nil)
	results := make(chan *engine.Result, 21)
	run := func(s *engine.Script) {
		res, err := e.Execute(context.Background(), enginetest.Invocation(s, "1"))
		if err != nil {
			res = &engine.Result{Message: err.Error(), Code: "refused"}
		}
		results <- res
	}
	go run(killer)
	for range 20 {
		go run(echo)
	}
	codes := map[engine.Code]int{}
	for range 21 {
		codes[(<-results).Code]++
	}
	require.Equal(t, map[engine.Code]int{engine.CodeNone: 20, engine.CodeExceededWallTime: 1}, codes)
}

// One slow execution of a script that is usually fast does not hold up what was written behind it.
func TestRecallFromBehindASlowExecution(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	s := enginetest.NewTenant().Script("slow-then-fast", func(l *engine.Limits) { l.MaxExecutionTime = time.Minute })
	for range 50 {
		require.Equal(t, engine.CodeNone, enginetest.Execute(t, e, enginetest.Invocation(s, "0")).Code)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	began := make(chan struct{})
	slow := make(chan *engine.Result, 1)
	go func() {
		inv := enginetest.Invocation(s, "50000")
		inv.OnBegin = func() { close(began) }
		res, _ := e.Execute(ctx, inv)
		slow <- res
	}()
	<-began
	fast := make(chan engine.Code, 8)
	for range 8 {
		go func() {
			res, err := e.Execute(context.Background(), enginetest.Invocation(s, "0"))
			if err != nil {
				fast <- "refused"
				return
			}
			fast <- res.Code
		}()
	}
	for range 8 {
		select {
		case code := <-fast:
			require.Equal(t, engine.CodeNone, code)
		case <-time.After(10 * time.Second):
			t.Fatal("held up")
		}
	}
	cancel(errors.New("enough"))
	require.Equal(t, engine.CodeCancelled, (<-slow).Code)
}
