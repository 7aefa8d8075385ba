package engine_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// told is an Observer that remembers.
type told struct {
	engine.NopObserver
	mu        sync.Mutex
	condemned []engine.Code
	ended     chan string
}

func (o *told) IsolateCondemned(code engine.Code) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.condemned = append(o.condemned, code)
}

func (o *told) WorkerEnded(cause string) {
	select {
	case o.ended <- cause:
	default:
	}
}

func TestCondemnedIsolatesAreTold(t *testing.T) {
	t.Parallel()
	o := &told{}
	e := enginetest.Start(t, func(c *engine.Config) { c.Observer, c.KillGrace = o, 20*time.Second })
	tenant := enginetest.NewTenant()
	for _, s := range []*engine.Script{
		tenant.Script("echo", nil),
		tenant.Script("throw", nil),
		tenant.Script("condemned", nil),
		tenant.Script("sleep:60000", func(l *engine.Limits) { l.MaxExecutionTime = 500 * time.Millisecond }),
	} {
		enginetest.Execute(t, e, enginetest.Invocation(s, "1"))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	require.Equal(t, []engine.Code{engine.CodeExceededMemory, engine.CodeExceededWallTime}, o.condemned)
	require.Subset(t, engine.CondemnedCodes(), o.condemned)
}

func TestAWorkerThatCannotBeStartedIsTold(t *testing.T) {
	t.Parallel()
	o := &told{ended: make(chan string, 1)}
	enginetest.Start(t, func(c *engine.Config) { c.WorkerPath, c.Observer, c.Logger = "/nonexistent", o, nil })
	require.Equal(t, "start_failed", <-o.ended)
	require.Contains(t, engine.WorkerCauses(), "start_failed")
}

// Without spares too: the engine finds out whether a worker can start before a script needs one.
func TestAnEngineThatCanStartNoWorkerIsUnable(t *testing.T) {
	t.Parallel()
	var path string
	e := enginetest.Start(t, func(c *engine.Config) {
		exe := c.WorkerPath
		path = filepath.Join(t.TempDir(), "worker")
		c.WorkerPath, c.Spares, c.Logger = path, -1, nil
		require.NoError(t, os.Symlink(exe, path+".there"))
	})
	time.Sleep(50 * time.Millisecond)
	require.False(t, e.Able(), "no worker has ever started")
	require.NoError(t, os.Rename(path+".there", path))
	require.Eventually(t, e.Able, time.Minute, 10*time.Millisecond)
	s := enginetest.NewTenant().Script("identity", nil)
	identify(t, e, s)
	require.NoError(t, os.Remove(path))
	require.True(t, e.Able(), "it has a worker")
	require.Eventually(t, func() bool { // there may be another one, started beside the first
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var w identity
		if res, err := e.Execute(ctx, enginetest.Invocation(s, "null")); err == nil && json.Unmarshal(res.Output, &w) == nil && w.PID > 0 {
			_ = syscall.Kill(w.PID, syscall.SIGKILL)
		}
		return !e.Able()
	}, time.Minute, 10*time.Millisecond)
}

func TestStatsCountAWorkerOnce(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers, c.Spares = 4, 1
		c.Host = hostFunc(func(ctx context.Context, _ *engine.HostCall) (*engine.HostReply, error) {
			close(asked)
			<-ctx.Done()
			return &engine.HostReply{Payload: json.RawMessage(`1`)}, nil
		})
	})
	enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("echo", nil), "1"))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	begun := make(chan struct{})
	for name, began := range map[string]func(){"kv": nil, "sleep:60000": func() { close(begun) }} {
		inv := enginetest.Invocation(enginetest.NewTenant().Script(name, nil), "null")
		inv.OnBegin = began
		running.Go(func() { _, _ = e.Execute(ctx, inv) })
	}
	<-asked
	<-begun
	require.Eventually(t, func() bool {
		s := e.Stats()
		return s.Spares > 0 && s.Starting == 0
	}, time.Minute, 10*time.Millisecond)
	s := e.Stats()
	require.Equal(t, [3]int{1, 1, 1}, [3]int{s.Idle, s.Busy, s.Parked})
	require.Equal(t, s.Workers, s.Spares+3)
	require.Equal(t, 3, s.Isolates)
	require.Equal(t, 3, s.Tenants)
}
