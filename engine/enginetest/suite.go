package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
)

// Worker says which worker a suite runs against.
type Worker struct {
	Path string
	Args []string
	// Real workers get compiled JavaScript.
	Real bool
}

// Fake is the test binary itself: see Main.
func Fake(t testing.TB) Worker {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	return Worker{Path: exe, Args: Args(StartGood)}
}

// Real is the worker binary: the file that JSRUNTIME_WORKER names, else a binary that is built now.
func Real(t testing.TB) Worker {
	t.Helper()
	path, err := RealPath()
	require.NoError(t, err)
	return Worker{Path: path, Real: true}
}

// RealPath is Real's path, for examples, which have no testing.TB.
func RealPath() (string, error) {
	if path := os.Getenv("JSRUNTIME_WORKER"); path != "" {
		return path, nil
	}
	return buildWorker()
}

// buildWorker builds into a directory of the user's cache: linking V8 takes seconds, and go build skips what is up to date.
func buildWorker() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "jsruntime-test", "jsruntime-worker")
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.Command("go", "build", "-o", path, "./cmd/jsruntime-worker")
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return path, nil
}

// Sources is the JavaScript of the scripts that the suite runs. The fake does the same by their names.
var Sources = map[string]string{
	"echo": `export default {
		run(input) { return input; },
		async fetch(request) {
			return new Response(await request.arrayBuffer(),
				{ status: 201, headers: { "x-method": request.method, "x-url": request.url } });
		},
	}`,
	"throw":     `export default { run() { throw new Error("no"); } }`,
	"spin":      `export default { run() { for (;;); } }`,
	"hang":      `export default { run() { return new Array(2**32-1).indexOf(1); } }`,
	"sleep:100": `export default { run() { return new Promise((resolve) => setTimeout(resolve, 100, true)); } }`,
	"log":       `export default { run() { for (let i = 0; i < 3; i++) console.info("line " + i); return null; } }`,
	"kv": `import { kv } from "jsruntime";
		export default { run() { return kv.get("a"); } }`,
	"boot-error": `throw new Error("at load"); export default { run() {} }`,
	"identity":   `export default { run(input, env, ctx) { return { tenant: ctx.tenantId, env, context: { attempt: ctx.attempt, trigger: ctx.trigger, executionId: ctx.executionId } }; } }`,
	"stream:1000": `export default { fetch() {
		let i = 0;
		return new Response(new ReadableStream({
			pull(c) {
				if (i === 1000) return c.close();
				c.enqueue(new Uint8Array(1024).fill(97 + i++ % 26));
			},
		}), { headers: { "content-type": "text/plain" } });
	} }`,
}

var compiled sync.Map // name to *compile.Output

// Script returns the tenant's script of a name, with defaults for limits that change may alter.
func (w Worker) Script(t testing.TB, tenant *Tenant, name string, change func(*engine.Limits)) *engine.Script {
	t.Helper()
	s := tenant.Script(name, change)
	if !w.Real {
		return s
	}
	source, ok := Sources[name]
	require.True(t, ok, "no source for %s", name)
	out, ok := compiled.Load(name)
	if !ok {
		o, err := compile.Compile(context.Background(), compile.Input{Source: source, Handler: "run"})
		require.NoError(t, err)
		out, _ = compiled.LoadOrStore(name, o)
	}
	o := out.(*compile.Output)
	s.Compiled, s.SourceMap, s.Handlers = o.Compiled, o.SourceMap, o.Handlers
	return s
}

// Start runs an engine with this worker until the test ends.
func (w Worker) Start(t testing.TB, change func(*engine.Config)) *engine.Engine {
	t.Helper()
	return Start(t, func(c *engine.Config) {
		c.WorkerPath, c.WorkerArgs, c.NoWorkerImages = w.Path, w.Args, !w.Real
		if change != nil {
			change(c)
		}
	})
}

type hostFunc func(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error)

func (f hostFunc) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	return f(ctx, call)
}

// Suite is what every worker must do for the engine.
func Suite(t *testing.T, w Worker) {
	e := w.Start(t, func(c *engine.Config) {
		c.MaxWorkers = 4
		c.QueueWait = 20 * time.Second
		c.Env = func(context.Context, uuid.UUID) (engine.Env, error) {
			return engine.Env{Shared: json.RawMessage(`{"SECRET":"s"}`)}, nil
		}
		c.Host = hostFunc(func(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
			if call.Method != "kv.get" {
				return nil, &engine.HostError{Name: "TypeError", Message: call.Method}
			}
			return &engine.HostReply{Payload: json.RawMessage(`{"present":true,"value":"value","expiration":null}`)}, nil
		})
	})
	tenant := NewTenant()
	second := func(l *engine.Limits) { l.MaxExecutionTime = time.Second }

	t.Run("run", func(t *testing.T) {
		s := w.Script(t, tenant, "echo", nil)
		res := Execute(t, e, Invocation(s, `{"a":[1,"\u00e9"]}`))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.JSONEq(t, `{"a":[1,"é"]}`, string(res.Output))
		require.True(t, res.Metrics.ColdStart)
		res = Execute(t, e, Invocation(s, `"again"`))
		require.JSONEq(t, `"again"`, string(res.Output))
		require.False(t, res.Metrics.ColdStart)
	})
	t.Run("fetch", func(t *testing.T) {
		inv := Invocation(w.Script(t, tenant, "echo", nil), "")
		inv.Trigger, inv.Handler = engine.TriggerHTTP, engine.HandlerFetch
		inv.Request = &engine.Request{Method: "POST", URL: "http://example.com/a?b=c", Headers: []string{"x-a", "b"}, Body: []byte("hello"), HasBody: true}
		res := Execute(t, e, inv)
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.Equal(t, 201, res.Response.Status)
		require.Equal(t, "hello", string(res.Response.Body))
		require.Subset(t, res.Response.Headers, []string{"x-method", "POST", "x-url", "http://example.com/a?b=c"})
	})
	t.Run("identity", func(t *testing.T) {
		inv := Invocation(w.Script(t, tenant, "identity", nil), "null")
		inv.Attempt = 3
		res := Execute(t, e, inv)
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		var got struct {
			Tenant  string
			Env     map[string]string
			Context struct {
				ExecutionID string
				Attempt     int
				Trigger     string
			}
		}
		require.NoError(t, json.Unmarshal(res.Output, &got))
		require.Equal(t, tenant.ID.String(), got.Tenant)
		require.Equal(t, map[string]string{"SECRET": "s"}, got.Env)
		require.Equal(t, inv.ExecutionID.String(), got.Context.ExecutionID)
		require.Equal(t, 3, got.Context.Attempt)
		require.Equal(t, "manual", got.Context.Trigger)
	})
	// A worker keeps few isolates, and fewer of scripts that may hold little: they are loaded again, and nothing is refused.
	t.Run("more scripts than a worker keeps", func(t *testing.T) {
		scripts := make([]*engine.Script, 12)
		for i := range scripts {
			scripts[i] = w.Script(t, tenant, "echo", nil)
		}
		for range 3 {
			for _, s := range scripts {
				res := Execute(t, e, Invocation(s, `1`))
				require.Equal(t, engine.CodeNone, res.Code, res.Message)
			}
		}
	})
	t.Run("throw", func(t *testing.T) {
		res := Execute(t, e, Invocation(w.Script(t, tenant, "throw", nil), "null"))
		require.Equal(t, engine.CodeException, res.Code)
		require.Contains(t, res.Message, "no")
		require.NotEmpty(t, res.Stack)
	})
	t.Run("boot error", func(t *testing.T) {
		res := Execute(t, e, Invocation(w.Script(t, tenant, "boot-error", nil), "null"))
		require.Equal(t, engine.CodeBootError, res.Code, res.Message)
		require.Contains(t, res.Message, "at load")
	})
	for _, name := range []string{"spin", "hang"} {
		t.Run(name, func(t *testing.T) {
			res := Execute(t, e, Invocation(w.Script(t, tenant, name, second), "null"))
			require.Equal(t, engine.CodeExceededWallTime, res.Code, res.Message)
			require.Contains(t, res.Message, "1000 ms")
			res = Execute(t, e, Invocation(w.Script(t, tenant, "echo", nil), "1"))
			require.Equal(t, engine.CodeNone, res.Code, res.Message)
		})
	}
	t.Run("log", func(t *testing.T) {
		inv := Invocation(w.Script(t, tenant, "log", nil), "null")
		all := &lines{}
		inv.Lines = all
		res := Execute(t, e, inv)
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.Len(t, res.Logs, 3)
		require.Equal(t, "line 1", res.Logs[1].Message)
		require.Equal(t, "info", res.Logs[1].Level)
		require.Equal(t, res.Logs, all.told)
	})
	t.Run("log that is watched later", func(t *testing.T) {
		inv := Invocation(w.Script(t, tenant, "log", nil), "null")
		later := &lines{unwanted: 1}
		inv.Lines = later
		res := Execute(t, e, inv)
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.Equal(t, res.Logs[1:], later.told)
		require.Equal(t, 3, later.asked)
	})
	t.Run("host call", func(t *testing.T) {
		res := Execute(t, e, Invocation(w.Script(t, tenant, "kv", nil), "null"))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.Contains(t, string(res.Output), `"value"`)
		require.Equal(t, 1, res.Metrics.APICalls)
	})
	t.Run("stream", func(t *testing.T) {
		inv := Invocation(w.Script(t, tenant, "stream:1000", nil), "")
		inv.Trigger, inv.Handler = engine.TriggerHTTP, engine.HandlerFetch
		inv.Request = &engine.Request{Method: "GET", URL: "http://example.com/"}
		got := &response{}
		inv.Response = got
		res := Execute(t, e, inv)
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.True(t, res.Streamed)
		require.Equal(t, 200, got.status)
		require.Equal(t, 1000<<10, got.body.Len())
	})
	t.Run("cancel", func(t *testing.T) {
		inv := Invocation(w.Script(t, tenant, "spin", func(l *engine.Limits) { l.MaxExecutionTime = time.Minute }), "null")
		ctx, cancel := context.WithCancelCause(context.Background())
		inv.OnBegin = func() { time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("enough")) }) }
		res, err := e.Execute(ctx, inv)
		require.NoError(t, err)
		require.Equal(t, engine.CodeCancelled, res.Code)
		require.Equal(t, "enough", res.Message)
	})
	t.Run("many at one time", func(t *testing.T) {
		var wg sync.WaitGroup
		echo, nap := w.Script(t, tenant, "echo", nil), w.Script(t, tenant, "sleep:100", nil)
		errs := make(chan string, 400)
		for i := range 400 {
			wg.Go(func() {
				s, want := echo, "7"
				if i%50 == 0 {
					s, want = nap, "true"
				}
				res, err := e.Execute(context.Background(), Invocation(s, "7"))
				switch {
				case err != nil:
					errs <- err.Error()
				case res.Code != engine.CodeNone || string(res.Output) != want:
					errs <- string(res.Code) + res.Message + string(res.Output)
				}
			})
		}
		wg.Wait()
		close(errs)
		for msg := range errs {
			t.Error(msg)
		}
	})
}

type response struct {
	status int
	body   strings.Builder
}

func (r *response) Head(status int, _ []string) error {
	r.status = status
	return nil
}

func (r *response) Write(b []byte) error {
	_, err := io.Copy(&r.body, strings.NewReader(string(b)))
	return err
}

// lines watches an execution's log from a line on.
type lines struct {
	unwanted int // lines that it does not want yet
	asked    int
	told     []engine.LogLine
}

func (l *lines) Wants(*engine.Invocation) bool {
	l.asked++
	return l.asked > l.unwanted
}

func (l *lines) Line(_ *engine.Invocation, line engine.LogLine) { l.told = append(l.told, line) }
