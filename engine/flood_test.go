package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/enginetest"
)

// floodHost answers kv.get with a value, fetch with a stream of two parts, and wait never.
func floodHost(value []byte) engine.Host {
	return hostFunc(func(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
		switch call.Method {
		case "wait":
			<-ctx.Done()
			return nil, ctx.Err()
		case "fetch":
			return &engine.HostReply{Payload: json.RawMessage("{}"), BodyStream: io.NopCloser(bytes.NewReader(make([]byte, 100<<10)))}, nil
		default:
			return &engine.HostReply{Payload: json.RawMessage("null"), Body: value}, nil
		}
	})
}

// A worker that floods the node with frames that no worker of ours sends is killed for it, long before its deadline, and another tenant is
// served meanwhile.
func TestFloodsEndTheWorker(t *testing.T) {
	t.Parallel()
	o := &endings{}
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers, c.Host, c.Observer, c.Logger = 16, floodHost([]byte("x")), o, nil
	})
	other := enginetest.NewTenant().Script("echo", nil)
	var all sync.WaitGroup
	floods := []string{"flood-log", "flood-log-bytes", "flood-cancel", "flood-late-credit", "flood-empty-chunk", "flood-upload-chunk", "flood-call"}
	for _, name := range floods {
		all.Go(func() {
			s := enginetest.NewTenant().Script(name, func(l *engine.Limits) { l.MaxExecutionTime = 10 * time.Minute })
			inv := enginetest.Invocation(s, "null")
			if name == "flood-empty-chunk" {
				inv.Handler, inv.Request = engine.HandlerFetch, &engine.Request{Method: "GET", URL: "http://example.com/"}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			res, err := e.Execute(ctx, inv)
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case res.Code != engine.CodeSandboxViolation:
				t.Errorf("%s: %s %s", name, res.Code, res.Message)
			}
		})
	}
	served := make(chan struct{})
	go func() { all.Wait(); close(served) }()
	for done := false; !done; {
		select {
		case <-served:
			done = true
		default:
		}
		res := enginetest.Execute(t, e, enginetest.Invocation(other, "1"))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
	}
	require.Equal(t, len(floods), o.seen()["flood"], "%v", o.seen())

	// Frames for an execution that has ended.
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("flood-late", nil), "null"))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.Eventually(t, func() bool { return o.seen()["flood"] == len(floods)+1 }, time.Minute, 20*time.Millisecond)

	// Credit for more than was sent breaks the protocol, whatever its size.
	res = enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("flood-credit", nil), "null"))
	require.NotEqual(t, engine.CodeNone, res.Code)
}

// Eight workers that read nothing of what the node answers cost it its budget and not the sum of what they could ask for.
func TestWorkersThatDoNotRead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 100 MiB")
	}
	const limit = 64 << 20
	budget, err := admission.NewBudget(limit)
	require.NoError(t, err)
	o := &endings{}
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers, c.Host, c.Budget, c.Observer, c.Logger = 9, floodHost(make([]byte, 256<<10)), budget, o, nil
	})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	other := enginetest.NewTenant().Script("echo", nil)
	ended := make(chan error, 8)
	for range 8 {
		go func() {
			s := enginetest.NewTenant().Script("deaf", func(l *engine.Limits) { l.MaxExecutionTime = 10 * time.Minute })
			res, err := e.Execute(context.Background(), enginetest.Invocation(s, "null"))
			if err == nil && res.Code != engine.CodeWorkerLost {
				err = fmt.Errorf("%s %s", res.Code, res.Message)
			}
			ended <- err
		}()
	}
	for n := 0; n < 8; {
		select {
		case err := <-ended:
			require.NoError(t, err)
			n++
		default:
		}
		res := enginetest.Execute(t, e, enginetest.Invocation(other, "1"))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		most = max(most, heap())
	}
	require.Equal(t, 8, o.seen()["not_reading"], "%v", o.seen())
	t.Logf("heap %d MiB, then at most %d MiB, with a budget of %d MiB", before>>20, most>>20, limit>>20)
	// Garbage that is not collected yet counts too: eight times 64 MiB, doubled while they grew, were 1 GiB.
	require.Less(t, most, before+4*limit)
	require.Eventually(t, func() bool { return budget.Stats().Used == 0 }, time.Minute, 20*time.Millisecond)
}
