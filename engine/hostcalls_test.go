package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

type hostFunc func(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error)

func (f hostFunc) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	return f(ctx, call)
}

func TestHostCall(t *testing.T) {
	t.Parallel()
	s := enginetest.NewTenant().Script("kv", nil)
	var fail atomic.Pointer[error]
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Logger = nil
		c.Host = hostFunc(func(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
			if err := fail.Load(); err != nil {
				return nil, *err
			}
			if call.Method != "kv.get" || call.Invocation.Script.TenantID != s.TenantID || string(call.Args) != `{"key":"a"}` {
				return nil, errors.New("wrong call")
			}
			return &engine.HostReply{Payload: json.RawMessage(`"value"`), EgressBytes: 7}, nil
		})
	})
	res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, `"value"`, string(res.Output))
	require.Equal(t, 1, res.Metrics.APICalls)
	require.EqualValues(t, 7, res.Metrics.EgressBytes)

	var err error = &engine.HostError{Name: "RateLimitError", Message: "too many", Code: "rate_limited", RetryAfter: 1500}
	fail.Store(&err)
	res = enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.JSONEq(t, `{"name":"RateLimitError","message":"too many","code":"rate_limited","retryAfter":1500}`, res.Message)

	err2 := errors.New("secret of ours")
	fail.Store(&err2)
	res = enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.NotContains(t, res.Message, "secret")

	var err3 error = &engine.HostError{Name: "Error", Message: "a chain deeper than 16", Fatal: engine.CodeLoopDetected}
	fail.Store(&err3)
	res = enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, engine.CodeLoopDetected, res.Code)
	require.Equal(t, "a chain deeper than 16", res.Message)
}

// The host is never asked for more than 32 calls of one execution at a time; what goes beyond is rejected.
func TestOpenHostCallsAreBounded(t *testing.T) {
	t.Parallel()
	var open, most atomic.Int64
	release := make(chan struct{})
	var once sync.Once
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Host = hostFunc(func(context.Context, *engine.HostCall) (*engine.HostReply, error) {
			n := open.Add(1)
			defer open.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if n == 32 {
				once.Do(func() { time.AfterFunc(time.Second, func() { close(release) }) })
			}
			<-release
			return &engine.HostReply{}, nil
		})
	})
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("calls", nil), "100"))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.EqualValues(t, 32, most.Load())
	good, err := strconv.Atoi(string(res.Output))
	require.NoError(t, err)
	require.Less(t, good, 100)
	require.GreaterOrEqual(t, good, 32)
}

// Executions that wait for host calls take no worker's place: a chain of scripts that invoke each other, longer than the pool,
// comes to its end.
func TestParkedExecutionsDoNotBlockThePool(t *testing.T) {
	t.Parallel()
	s := enginetest.NewTenant().Script("kv", func(l *engine.Limits) { l.MaxConcurrentRuns = 100 })
	var e *engine.Engine
	ready := make(chan struct{})
	e = enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers = 2
		c.Host = hostFunc(func(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
			<-ready
			if call.Invocation.Depth == 10 {
				return &engine.HostReply{Payload: json.RawMessage(`"bottom"`)}, nil
			}
			inv := enginetest.Invocation(s, "null")
			inv.Depth = call.Invocation.Depth + 1
			res, err := e.Execute(ctx, inv)
			if err != nil {
				return nil, err
			}
			return &engine.HostReply{Payload: res.Output}, nil
		})
	})
	close(ready)
	res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, `"bottom"`, string(res.Output), res.Message)
}

// An execution's end reaches the host calls that it left open.
func TestHostCallsEndWithTheirExecution(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Host = hostFunc(func(ctx context.Context, _ *engine.HostCall) (*engine.HostReply, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
	})
	s := enginetest.NewTenant().Script("kv", func(l *engine.Limits) { l.MaxExecutionTime = 2 * time.Second })
	res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, engine.CodeExceededWallTime, res.Code, res.Message)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the host call goes on")
	}
}

func TestUploadHasBackPressure(t *testing.T) {
	t.Parallel()
	const kib = 2048
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Host = hostFunc(func(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
			n, err := io.Copy(io.Discard, call.BodyStream)
			if err != nil {
				return nil, err
			}
			return &engine.HostReply{Payload: []byte(strconv.FormatInt(n, 10))}, nil
		})
	})
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("upload", nil), strconv.Itoa(kib)))
	require.Equal(t, strconv.Itoa(kib<<10), string(res.Output), res.Message)
}

func TestDownloadHasBackPressure(t *testing.T) {
	t.Parallel()
	const size = 3<<20 + 5
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Host = hostFunc(func(context.Context, *engine.HostCall) (*engine.HostReply, error) {
			return &engine.HostReply{Body: []byte("12345"), BodyStream: io.NopCloser(io.LimitReader(zeros{}, size-5))}, nil
		})
	})
	res := enginetest.Execute(t, e, enginetest.Invocation(enginetest.NewTenant().Script("download", nil), "null"))
	require.Equal(t, strconv.Itoa(size), string(res.Output), res.Message)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type sink struct {
	bytes.Buffer
	status  int
	headers []string
	fail    error
}

func (s *sink) Head(status int, headers []string) error {
	s.status, s.headers = status, headers
	return nil
}

func (s *sink) Write(b []byte) error {
	if s.fail != nil {
		return s.fail
	}
	s.Buffer.Write(b)
	return nil
}

func fetch(s *engine.Script, r *engine.Request) *engine.Invocation {
	inv := enginetest.Invocation(s, "")
	inv.Trigger, inv.Handler, inv.Request = engine.TriggerHTTP, engine.HandlerFetch, r
	return inv
}

func TestStreamedResponse(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, func(c *engine.Config) { c.Logger = nil })
	tenant := enginetest.NewTenant()
	request := &engine.Request{Method: "GET", URL: "http://x/"}
	s := tenant.Script("stream:1000", nil)

	out := &sink{}
	inv := fetch(s, request)
	inv.Response = out
	res := enginetest.Execute(t, e, inv)
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.True(t, res.Streamed)
	require.Equal(t, 200, out.status)
	require.Equal(t, []string{"content-type", "text/plain"}, out.headers)
	require.Equal(t, 1000<<10, out.Len())
	require.EqualValues(t, 1000<<10, res.Metrics.OutputBytes)

	res = enginetest.Execute(t, e, fetch(s, request))
	require.False(t, res.Streamed)
	require.Len(t, res.Response.Body, 1000<<10)

	inv = fetch(s, request)
	inv.Response = &sink{fail: errors.New("broken pipe")}
	res = enginetest.Execute(t, e, inv)
	require.Equal(t, engine.CodeCancelled, res.Code)
	require.Contains(t, res.Message, "broken pipe")

	large := tenant.Script("stream:1000", func(l *engine.Limits) { l.MaxOutputSizeBytes = 100 << 10 })
	res = enginetest.Execute(t, e, fetch(large, request))
	require.Equal(t, engine.CodeOutputTooLarge, res.Code, res.Message)
	require.Contains(t, res.Message, "limit 102400")
}

func TestResponse(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	tenant := enginetest.NewTenant()
	res := enginetest.Execute(t, e, fetch(tenant.Script("echo", nil), &engine.Request{
		Method: "POST", URL: "http://x/a\nb", Body: []byte("hello"), HasBody: true,
	}))
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.Equal(t, &engine.Response{Status: 201, Headers: []string{"x-method", "POST", "x-url", "http://x/a b"}, Body: []byte("hello")}, res.Response)

	respond := tenant.Script("respond", nil)
	for _, c := range []struct {
		status  int
		headers string
		want    []string
		code    engine.Code
	}{
		{200, "content-type\ntext/html\nx-a\n", []string{"content-type", "text/html", "x-a", ""}, engine.CodeNone},
		{200, "Content-Length\n7\nset-cookie\na=b; Domain=x\nset-cookie\nc=d\n", []string{"Content-Length", "7", "set-cookie", "a=b; Domain=x", "set-cookie", "c=d"}, engine.CodeNone},
		{599, strings.Repeat("a\nb\n", 64), slices.Repeat([]string{"a", "b"}, 64), engine.CodeNone},
		{199, "", nil, engine.CodeInvalidOutput},
		{101, "", nil, engine.CodeInvalidOutput},
		{1000, "", nil, engine.CodeInvalidOutput},
		{0, "", nil, engine.CodeInvalidOutput},
		{200, "a b\n1\n", nil, engine.CodeInvalidOutput},
		{200, "a\nb\x00c\n", nil, engine.CodeInvalidOutput},
		{200, "a\nb\rc\n", nil, engine.CodeInvalidOutput},
		{200, strings.Repeat("a\nb\n", 65), nil, engine.CodeInvalidOutput},
		{200, "a\n" + strings.Repeat("x", 20<<10) + "\n", nil, engine.CodeInvalidOutput},
	} {
		in, err := json.Marshal(map[string]any{"Status": c.status, "Headers": c.headers, "Body": "x"})
		require.NoError(t, err)
		inv := fetch(respond, &engine.Request{Method: "GET", URL: "http://x/", Body: in})
		res := enginetest.Execute(t, e, inv)
		require.Equal(t, c.code, res.Code, "%d %q: %s", c.status, c.headers, res.Message)
		if c.code == engine.CodeNone {
			require.Equal(t, c.status, res.Response.Status)
			if c.want == nil {
				require.Empty(t, res.Response.Headers)
			} else {
				require.Equal(t, c.want, res.Response.Headers)
			}
		}
	}
}

// Executions that wait share a worker once all workers have something to do, within their limits; they are lost with it, and not held
// against their script, when another one of it takes it with it.
func TestExecutionsThatWaitShareWorkers(t *testing.T) {
	t.Parallel()
	const count = 40
	var open atomic.Int64
	full, release := make(chan struct{}), make(chan struct{})
	e := enginetest.Start(t, func(c *engine.Config) {
		c.MaxWorkers, c.Spares, c.Logger = 1, -1, nil
		c.QuarantineAfter = 2
		c.Host = hostFunc(func(ctx context.Context, _ *engine.HostCall) (*engine.HostReply, error) {
			if open.Add(1) == count {
				close(full)
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return &engine.HostReply{Payload: json.RawMessage(`1`)}, nil
		})
	})
	tenant := enginetest.NewTenant()
	waits := tenant.Script("kv", func(l *engine.Limits) { l.MaxConcurrentRuns = 1000 })
	results := make(chan *engine.Result, count)
	for range count {
		go func() { results <- enginetest.Execute(t, e, enginetest.Invocation(waits, "null")) }()
	}
	<-full
	require.LessOrEqual(t, e.Stats().Workers, 3)

	res := enginetest.Execute(t, e, enginetest.Invocation(tenant.Script("exit:87", nil), "null"))
	require.Equal(t, engine.CodeExceededMemory, res.Code, res.Message)
	close(release)
	lost := 0
	for range count {
		res := <-results
		if res.Code == engine.CodeWorkerLost {
			require.Contains(t, res.Message, "neighbour")
			lost++
			continue
		}
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
	}
	require.Positive(t, lost, "those of the worker that died")
	require.Equal(t, engine.CodeNone, enginetest.Execute(t, e, enginetest.Invocation(waits, "null")).Code, "the script is not quarantined for it")
}

// A crowd of executions without a waiting caller, and that are short in spite of their host calls, takes turns in the isolates that there
// are instead of having one made for each.
func TestACrowdThatWaitsSharesIsolates(t *testing.T) {
	t.Parallel()
	const count, few = 100, 16 // where each that waits may have one made, it is 18 to 30
	var loads int
	for range 3 { // a call gives up waiting for an isolate after half a second: a machine that stands still may spoil one
		e := enginetest.Start(t, func(c *engine.Config) {
			c.MaxWorkers, c.Spares, c.Logger = 2, -1, nil
			c.Host = hostFunc(func(context.Context, *engine.HostCall) (*engine.HostReply, error) {
				time.Sleep(time.Millisecond) // what a host call takes
				return &engine.HostReply{Payload: json.RawMessage(`1`)}, nil
			})
		})
		waits := enginetest.NewTenant().Script("kv", func(l *engine.Limits) { l.MaxConcurrentRuns = 1000 })
		require.Equal(t, engine.CodeNone, enginetest.Execute(t, e, enginetest.Invocation(waits, "null")).Code)
		results := make(chan *engine.Result, count)
		for range count {
			inv := enginetest.Invocation(waits, "null")
			inv.Trigger = engine.TriggerEvent
			go func() { results <- enginetest.Execute(t, e, inv) }()
		}
		loads = 0
		for range count {
			res := <-results
			require.Equal(t, engine.CodeNone, res.Code, res.Message)
			if res.Metrics.ColdStart {
				loads++
			}
		}
		if loads < few {
			return
		}
	}
	require.Less(t, loads, few, "isolates made")
}
