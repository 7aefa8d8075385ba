package host_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/migrations/dbtest"
)

// workerMemory is the proportional set of all workers of this process, and how many they are.
func workerMemory(t *testing.T) (workers int, bytes int64) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, task := range tasks {
		children, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue // the thread has ended
		}
		for _, pid := range strings.Fields(string(children)) {
			rollup, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
			if err != nil {
				continue
			}
			workers++
			for line := range strings.Lines(string(rollup)) {
				if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
					n, _ := strconv.ParseInt(f[1], 10, 64)
					bytes += n << 10
				}
			}
		}
	}
	return workers, bytes
}

// A thousand executions of one script, each of which waits a second for a server, at one time on a bounded number of workers. In the
// first wave the second begins when all of them wait. The test is not parallel: it counts this process's children.
func TestAThousandExecutionsWait(t *testing.T) {
	path := os.Getenv("JSRUNTIME_WORKER")
	if _, err := os.Stat(path); path == "" || err != nil {
		t.Skip("JSRUNTIME_WORKER names no worker: make test builds one")
	}
	const count, maxWorkers, patience = 1000, 8, 5 * time.Minute
	var inside, most atomic.Int64
	all := make(chan struct{}) // closed once all of the first wave are there
	whole := sync.OnceFunc(func() { close(all) })
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == count {
			whole()
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
		_, _ = fmt.Fprint(w, r.URL.RawQuery)
	}))
	t.Cleanup(site.Close)
	db := dbtest.DB(t)
	h, err := host.New(host.Config{DB: db, FetchAllow: []string{strings.TrimPrefix(site.URL, "http://")}, Scripts: shelf{}, Recorder: books{}, FetchTimeout: patience})
	require.NoError(t, err)
	tenant := uuid.New()
	_, err = db.Exec(t.Context(), `INSERT INTO tenants (id, slug, name) VALUES ($1, 'acme', 'Acme')`, tenant)
	require.NoError(t, err)
	e, err := engine.New(engine.Config{WorkerPath: path, Host: h, MaxWorkers: maxWorkers, QueueWait: patience, Logger: enginetest.Logger(t)})
	require.NoError(t, err)
	enginetest.Run(t, e)

	out, err := compile.Compile(t.Context(), compile.Input{Handler: "run", Source: `let n = 0; export default { async run(input) {
		n++;
		const text = await (await fetch("` + site.URL + `/?" + input)).text();
		console.log("got " + text);
		return [text, n--];
	} }`})
	require.NoError(t, err)
	limits := engine.DefaultLimits()
	limits.MaxAPICallsPerMinute, limits.MaxConcurrentRuns, limits.MaxExecutionTime = 10_000, count, patience
	s := &engine.Script{ID: uuid.New(), TenantID: tenant, TenantSlug: "acme", Name: "waits", Type: "embedded", Version: 1, Compiled: out.Compiled, Handlers: out.Handlers, Limits: limits}

	for wave := range 2 {
		most.Store(0)
		began := time.Now()
		var done sync.WaitGroup
		var failed atomic.Int64
		for i := range count {
			done.Go(func() {
				res, err := e.Execute(t.Context(), &engine.Invocation{
					ExecutionID: uuid.New(), Script: s, Trigger: engine.TriggerAPI, Handler: engine.HandlerRun, Attempt: 1, QueuedAt: time.Now(),
					Input: json.RawMessage(strconv.Itoa(i)),
				})
				// n is 1: no other execution is in the isolate while one waits there.
				if err != nil || res.Code != engine.CodeNone || string(res.Output) != fmt.Sprintf(`["%d",1]`, i) ||
					len(res.Logs) != 1 || res.Logs[0].Message != fmt.Sprintf("got %d", i) {
					if failed.Add(1) <= 5 {
						t.Errorf("%d: %v %+v", i, err, res)
					}
				}
			})
		}
		stop := make(chan struct{})
		var watch sync.WaitGroup
		var workers int
		var memory int64
		watch.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Millisecond):
					n, m := workerMemory(t)
					workers, memory = max(workers, n), max(memory, m)
				}
			}
		})
		done.Wait()
		took := time.Since(began)
		close(stop)
		watch.Wait()
		require.Zero(t, failed.Load())
		t.Logf("wave %d: %d executions in %v, at most %d waited at one time, in %d workers with %d MiB together", wave+1, count, took.Round(time.Millisecond),
			most.Load(), workers, memory>>20)
		require.LessOrEqual(t, workers, 4*maxWorkers)
		require.Greater(t, most.Load(), int64(4*maxWorkers), "they wait beside each other")
	}
}
