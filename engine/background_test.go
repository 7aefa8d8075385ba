package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
)

// gate is a Host whose kv.get("gate") waits until the test opens it, and that remembers what was put.
type gate struct {
	opened chan struct{}
	put    chan string // the values of kv.put, as JSON
	asked  chan struct{}
	once   sync.Once
}

func newGate() *gate {
	return &gate{opened: make(chan struct{}), put: make(chan string, 100), asked: make(chan struct{}, 100)}
}

func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }

func (g *gate) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	switch {
	case call.Method == "kv.put":
		g.put <- string(call.Args)
	case strings.Contains(string(call.Args), "gate"):
		g.asked <- struct{}{}
		select {
		case <-g.opened:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return &engine.HostReply{Payload: json.RawMessage(`{"present":true,"value":"v","expiration":null}`)}, nil
}

// endpoint is a script with a fetch handler of that body, for the real worker.
func endpoint(t *testing.T, body string) *engine.Script {
	t.Helper()
	out, err := compile.Compile(t.Context(), compile.Input{Handler: "fetch", Source: `import { kv } from "jsruntime";
		const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
		export default { async fetch(request, env, ctx) {` + body + "\n} }"})
	require.NoError(t, err)
	s := enginetest.NewTenant().Script("endpoint", nil)
	s.Compiled, s.SourceMap, s.Type, s.Handlers = out.Compiled, out.SourceMap, "http", out.Handlers
	return s
}

// liveSink hands on a streamed response.
type liveSink struct {
	head chan int
	got  chan string
	err  atomic.Pointer[error] // what Head and Write answer; nil is success
}

func newLiveSink() *liveSink { return &liveSink{head: make(chan int, 1), got: make(chan string, 1000)} }

// fail makes every later call answer err; the execution may run already.
func (s *liveSink) fail(err error) { s.err.Store(&err) }

func (s *liveSink) failure() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *liveSink) Head(status int, _ []string) error {
	s.head <- status
	return s.failure()
}

func (s *liveSink) Write(chunk []byte) error {
	s.got <- string(chunk)
	return s.failure()
}

func request(s *engine.Script) (inv *engine.Invocation, ended chan *engine.Result) {
	inv = enginetest.Invocation(s, "")
	inv.Trigger, inv.Handler, inv.Input = engine.TriggerHTTP, engine.HandlerFetch, nil
	inv.Request = &engine.Request{Method: "GET", URL: "http://a.test/"}
	ended = make(chan *engine.Result, 1)
	inv.OnEnd = func(_ *engine.Invocation, res *engine.Result) { ended <- res }
	return inv, ended
}

func receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		require.Fail(t, "nothing came: "+what)
	}
	return v
}

// Execute returns with the answer while the work of waitUntil cannot end, and OnEnd tells how that did.
func TestAnswerComesBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		answer     engine.Code
		check      func(t *testing.T, res *engine.Result)
		end        engine.Code
	}{
		{"response", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done"))); return new Response("hello", {status: 201})`, engine.CodeNone, func(t *testing.T, res *engine.Result) {
			require.Equal(t, 201, res.Response.Status)
			require.Equal(t, "hello", string(res.Response.Body))
		}, engine.CodeNone},
		{"no body", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done"))); return new Response(null, {status: 204})`, engine.CodeNone, func(t *testing.T, res *engine.Result) {
			require.Equal(t, 204, res.Response.Status)
		}, engine.CodeNone},
		{"rejection", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done")).then(() => { throw new Error("analytics down") })); return new Response("hello")`, engine.CodeNone, func(t *testing.T, res *engine.Result) {
			require.Equal(t, "hello", string(res.Response.Body))
		}, engine.CodeBackgroundError},
		{"handler throws", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done"))); throw new Error("no")`, engine.CodeException, func(t *testing.T, res *engine.Result) {
			require.Equal(t, "Error: no", res.Message)
		}, engine.CodeException},
		{"memory", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done")).then(() => { const a = []; for (;;) a.push({}) })); return new Response("hello")`, engine.CodeNone, func(t *testing.T, res *engine.Result) {
			require.Equal(t, "hello", string(res.Response.Body))
		}, engine.CodeExceededMemory},
		{"time", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done")).then(() => sleep(1e6))); return new Response("hello")`, engine.CodeNone, func(t *testing.T, res *engine.Result) {
			require.Equal(t, "hello", string(res.Response.Body))
		}, engine.CodeExceededWallTime},
		{"native loop", `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done")).then(() => new Array(2**32-1).indexOf(1))); return new Response("hello")`, engine.CodeNone, func(t *testing.T, res *engine.Result) {
			require.Equal(t, "hello", string(res.Response.Body))
		}, engine.CodeExceededWallTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGate()
			e := enginetest.Real(t).Start(t, func(cfg *engine.Config) { cfg.Host, cfg.MaxWorkers = g, 2 })
			s := endpoint(t, c.body)
			if c.end == engine.CodeExceededWallTime {
				s.Limits.MaxExecutionTime = 5 * time.Second
			}
			inv, ended := request(s)
			ctx, cancel := context.WithCancel(t.Context())
			res, err := e.Execute(ctx, inv)
			require.NoError(t, err)
			require.True(t, res.GoesOn)
			require.Equal(t, c.answer, res.Code, res.Message)
			c.check(t, res)
			require.Empty(t, ended)
			require.Equal(t, 1, e.Stats().Running, "the lane is not taken any more")
			cancel() // the client's connection is for another request by now
			g.open()
			require.Contains(t, receive(t, g.put, "kv.put"), "job")
			res = receive(t, ended, "the end")
			require.Equal(t, c.end, res.Code, res.Message)
			require.False(t, res.GoesOn)
			if c.answer == engine.CodeNone {
				c.check(t, res) // what was given is on record
				require.Positive(t, res.Metrics.Response)
				require.LessOrEqual(t, res.Metrics.Response, res.Metrics.Duration)
			}
		})
	}
}

// Without work of waitUntil nothing is different, and without OnEnd Execute returns at the end.
func TestAnswerAtTheEnd(t *testing.T) {
	t.Parallel()
	e := enginetest.Real(t).Start(t, nil)
	inv, ended := request(endpoint(t, `ctx.waitUntil(Promise.resolve(1)); await null; await null; await null; return new Response("hello")`))
	res := enginetest.Execute(t, e, inv)
	require.False(t, res.GoesOn)
	require.Equal(t, "hello", string(res.Response.Body))
	require.Empty(t, ended)
	inv, _ = request(endpoint(t, `ctx.waitUntil(sleep(30).then(() => { throw new Error("late") })); return new Response("hello")`))
	inv.OnEnd = nil
	res = enginetest.Execute(t, e, inv)
	require.Equal(t, engine.CodeBackgroundError, res.Code)
	require.Equal(t, "waitUntil: Error: late", res.Message)
	require.Equal(t, "hello", string(res.Response.Body))
	require.Equal(t, "error", res.Logs[0].Level)
}

// A streamed response is over, on the sink's side too, while work goes on.
func TestStreamIsWholeBeforeTheEnd(t *testing.T) {
	t.Parallel()
	g := newGate()
	e := enginetest.Real(t).Start(t, func(cfg *engine.Config) { cfg.Host = g })
	inv, ended := request(endpoint(t, `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done"))); let i = 0;
		return new Response(new ReadableStream({ pull(c) { if (i++ < 2000) c.enqueue(new Uint8Array(500)); else c.close() } }))`))
	out := newLiveSink()
	go func() {
		for range out.got {
		}
	}()
	inv.Response = out
	res := enginetest.Execute(t, e, inv)
	require.True(t, res.GoesOn)
	require.True(t, res.Streamed)
	require.Equal(t, 200, <-out.head)
	g.open()
	res = receive(t, ended, "the end")
	require.Equal(t, engine.CodeNone, res.Code, res.Message)
	require.EqualValues(t, 1_000_000, res.Metrics.OutputBytes)
	close(out.got)
}

// A client that leaves changes nothing for work of waitUntil, before and during the answer; a cancel does.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, body string, opts ...func(*engine.Invocation)) (g *gate, cancel context.CancelCauseFunc, out *liveSink, done chan *engine.Result, e *engine.Engine, inv *engine.Invocation) {
		g, out = newGate(), newLiveSink()
		e = enginetest.Real(t).Start(t, func(cfg *engine.Config) { cfg.Host = g })
		ctx, cancel := context.WithCancelCause(t.Context())
		inv, ended := request(endpoint(t, body))
		inv.Response = out
		for _, o := range opts {
			o(inv)
		}
		go func() {
			res, err := e.Execute(ctx, inv)
			if err != nil || !res.GoesOn {
				ended <- res
			}
		}()
		receive(t, g.asked, "the script")
		return g, cancel, out, ended, e, inv
	}
	t.Run("before the answer", func(t *testing.T) {
		t.Parallel()
		g, cancel, _, done, _, _ := start(t, `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", ctx.signal.aborted))); await kv.get("gate"); return new Response("x")`)
		cancel(nil)
		receive(t, g.asked, "the second call")
		g.open()
		require.Contains(t, receive(t, g.put, "kv.put"), "false")
		res := receive(t, done, "the end")
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
	})
	t.Run("without work", func(t *testing.T) {
		t.Parallel()
		g, cancel, _, done, _, _ := start(t, `try { await kv.get("gate") } finally { await 0 }; `+
			`await 0`)
		_ = g
		cancel(nil)
		res := receive(t, done, "the end")
		require.Equal(t, engine.CodeCancelled, res.Code)
		require.Equal(t, "client disconnected", res.Message)
	})
	t.Run("cleanup", func(t *testing.T) {
		t.Parallel()
		g, cancel, out, done, _, _ := start(t, `let timer; return new Response(new ReadableStream({
			start(c) { c.enqueue(new Uint8Array(1)); timer = setInterval(() => c.enqueue(new Uint8Array(1)), 5); kv.get("gate") },
			async cancel(reason) { clearInterval(timer); await sleep(5); await kv.put("why", [reason.name, reason.message, ctx.signal.reason.message]) } }))`)
		receive(t, out.got, "the stream")
		cancel(nil)
		require.Contains(t, receive(t, g.put, "kv.put"), `["AbortError","client disconnected","client disconnected"]`)
		g.open()
		res := receive(t, done, "the end")
		require.Equal(t, engine.CodeCancelled, res.Code)
		require.Equal(t, "client disconnected", res.Message)
	})
	t.Run("write fails", func(t *testing.T) {
		t.Parallel()
		g, _, out, done, _, _ := start(t, `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done")));
			await kv.get("other"); return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(100000)) } }))`)
		out.fail(engine.ErrClientGone)
		g.open()
		require.Contains(t, receive(t, g.put, "kv.put"), "job")
		require.NotNil(t, receive(t, done, "the end"))
	})
	t.Run("cancel by hand", func(t *testing.T) {
		t.Parallel()
		g, _, _, done, e, inv := start(t, `ctx.waitUntil(kv.get("gate")); ctx.signal.addEventListener("abort", () => ctx.waitUntil(kv.put("why", ctx.signal.reason.message))); return new Response("x")`)
		require.True(t, e.Cancel(inv.ExecutionID, errors.New("by hand")))
		require.Contains(t, receive(t, g.put, "kv.put"), "by hand")
		res := receive(t, done, "the end")
		require.Equal(t, engine.CodeCancelled, res.Code)
		require.Equal(t, "by hand", res.Message)
		require.Equal(t, "x", string(res.Response.Body), "what was given is on record")
	})
	t.Run("cancel after leaving", func(t *testing.T) {
		t.Parallel()
		_, cancel, _, done, e, inv := start(t, `ctx.waitUntil(kv.get("gate")); setInterval(() => {}, 5); await sleep(1e6)`)
		cancel(nil)
		require.True(t, e.Cancel(inv.ExecutionID, errors.New("by hand")))
		res := receive(t, done, "the end")
		require.Equal(t, engine.CodeCancelled, res.Code)
		require.Equal(t, "by hand", res.Message)
	})
	t.Run("native loop", func(t *testing.T) {
		t.Parallel()
		g, cancel, _, done, _, _ := start(t, `await kv.get("gate"); new Array(2**32-1).indexOf(1)`, func(inv *engine.Invocation) {
			inv.Script.Limits.MaxExecutionTime = time.Minute
		})
		g.open()
		cancel(nil)
		res := receive(t, done, "the end")
		require.Equal(t, engine.CodeCancelled, res.Code)
		require.Equal(t, "client disconnected", res.Message)
	})
}

// A cause that is made by WithoutGrace ends the execution without a word.
func TestWithoutGrace(t *testing.T) {
	t.Parallel()
	g := newGate()
	e := enginetest.Real(t).Start(t, func(cfg *engine.Config) { cfg.Host = g })
	inv, _ := request(endpoint(t, `ctx.signal.addEventListener("abort", () => kv.put("why", "told")); setInterval(() => {}, 5); await kv.get("gate")`))
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-g.asked
		cancel(engine.WithoutGrace(errors.New("lost")))
	}()
	res, err := e.Execute(ctx, inv)
	require.NoError(t, err)
	require.Equal(t, engine.CodeCancelled, res.Code)
	require.Equal(t, "lost", res.Message)
	require.Empty(t, g.put)
}

// What goes on is waited for, and cancelled with the cause in the end.
func TestSettle(t *testing.T) {
	t.Parallel()
	g := newGate()
	e := enginetest.Real(t).Start(t, func(cfg *engine.Config) { cfg.Host = g })
	e.Settle(t.Context(), errors.New("never"))
	inv, ended := request(endpoint(t, `ctx.waitUntil(kv.get("gate").then(() => kv.put("job", "done"))); return new Response("x")`))
	require.True(t, enginetest.Execute(t, e, inv).GoesOn)
	receive(t, g.asked, "the script")
	time.AfterFunc(50*time.Millisecond, g.open)
	e.Settle(t.Context(), errors.New("never"))
	require.Equal(t, engine.CodeNone, receive(t, ended, "the end").Code)

	inv, ended = request(endpoint(t, `ctx.waitUntil(sleep(1e6)); return new Response("x")`))
	require.True(t, enginetest.Execute(t, e, inv).GoesOn)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	e.Settle(over, errors.New("the node is stopping"))
	res := receive(t, ended, "the end")
	require.Equal(t, engine.CodeCancelled, res.Code)
	require.Equal(t, "the node is stopping", res.Message)
}
