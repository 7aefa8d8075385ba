//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// The end-to-end tests start the real program with real workers against a real Postgres, and speak HTTP with it.

const testAdminKey = "jsr_admin_end_to_end_0123456789abcdefghij"

// build makes both programs once a test run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "jsruntime-e2e-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "example.com/jsruntime/cmd/jsruntime", "example.com/jsruntime/cmd/jsruntime-worker")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w\n%s", err, out)
	}
	// Other users (Postgres's, and the test that runs as nobody) must be able to execute them.
	return dir, os.Chmod(dir, 0o755)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := build(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// process is a running jsruntime.
type process struct {
	t       *testing.T
	base    string
	dataDir string
	cmd     *exec.Cmd
	gone    chan struct{}
	log     *lockedBuffer
	out     *lockedBuffer
}

type nodeConfig struct {
	databaseURL string // empty: embedded
	dataDir     string
	listen      string
	args        []string
	as          *syscall.Credential
	env         []string // more of it
	enter       string   // cgroup.procs of a cgroup to start in; empty: the test's own
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T, cfg nodeConfig) *process {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	if cfg.listen == "" {
		cfg.listen = freeAddress(t)
	}
	if cfg.dataDir == "" {
		cfg.dataDir = t.TempDir()
	}
	n := &process{t: t, base: "http://" + cfg.listen, dataDir: cfg.dataDir, gone: make(chan struct{}), log: &lockedBuffer{}, out: &lockedBuffer{}}
	n.cmd = exec.Command(filepath.Join(bin, "jsruntime"), append([]string{"serve", "--listen", cfg.listen, "--data-dir", cfg.dataDir}, cfg.args...)...)
	if cfg.enter != "" {
		n.cmd = exec.Command("/bin/sh", append([]string{"-c", `echo $$ > "$0" && exec "$@"`, cfg.enter}, n.cmd.Args...)...)
	}
	n.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cfg.dataDir, "JSRUNTIME_ADMIN_KEY=" + testAdminKey, "JSRUNTIME_SECRET_KEY=" + strings.Repeat("ab", 32)}
	n.cmd.Env = append(n.cmd.Env, cfg.env...)
	if cfg.databaseURL != "" {
		n.cmd.Env = append(n.cmd.Env, "DATABASE_URL="+cfg.databaseURL)
	}
	n.cmd.Stdout, n.cmd.Stderr = n.out, n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cfg.as}
	require.NoError(t, n.cmd.Start())
	go func() {
		_ = n.cmd.Wait()
		close(n.gone)
	}()
	t.Cleanup(func() {
		n.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("log of %s:\n%s%s", n.base, n.out, n.log)
		}
	})
	require.Eventually(t, func() bool {
		select {
		case <-n.gone:
			t.Fatalf("the node ended: %s%s", n.out, n.log)
		default:
		}
		status, _ := n.try("GET", "/readyz", "", nil)
		return status == 200
	}, 90*time.Second, 20*time.Millisecond, "not ready")
	return n
}

// stop sends a signal and waits for the end.
func (n *process) stop(signal os.Signal) {
	_ = n.cmd.Process.Signal(signal)
	select {
	case <-n.gone:
	case <-time.After(60 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.gone
		n.t.Errorf("the node did not end within 60 s of %v", signal)
	}
}

var e2eClient = &http.Client{Timeout: 120 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func (n *process) request(method, path, key string, body any) (*http.Response, []byte, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, n.base+path, sent)
	if err != nil {
		return nil, nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	switch {
	case body != nil && method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := e2eClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, text, err
}

func (n *process) try(method, path, key string, body any) (int, string) {
	resp, text, err := n.request(method, path, key, body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// must calls the API and expects a status; it returns the answer's object.
func (n *process) must(status int, method, path, key string, body any) map[string]any {
	n.t.Helper()
	got, text := n.try(method, path, key, body)
	require.Equal(n.t, status, got, "%s %s: %s", method, path, text)
	var object map[string]any
	if text != "" {
		require.NoError(n.t, json.Unmarshal([]byte(text), &object), text)
	}
	return object
}

// tenant makes a tenant and returns a key of it.
func (n *process) tenant(slug string) string {
	n.t.Helper()
	n.must(201, "POST", "/api/v1/tenants", testAdminKey, map[string]any{"slug": slug, "name": slug})
	key := n.must(201, "POST", "/api/v1/tenants/"+slug+"/api-keys", testAdminKey, map[string]any{"name": "test", "role": "admin"})
	return key["key"].(string)
}

// endpoint makes an active http script at path and returns its id.
func (n *process) endpoint(key, path, source string, limits map[string]any) string {
	n.t.Helper()
	script := map[string]any{
		"name": strings.Trim(path, "/"), "type": "http", "status": "active", "source": source, "http_path": path, "http_methods": []string{"GET", "POST"},
	}
	if limits != nil {
		script["resource_limits"] = limits
	}
	return n.must(201, "POST", "/api/v1/scripts", key, script)["id"].(string)
}

// live waits until an endpoint is known to the node.
func (n *process) live(path string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		status, _ := n.try("GET", path, "", nil)
		return status != 404 && status != 0
	}, time.Minute, 5*time.Millisecond, path) // the answer itself may take as long as the script may
}

func code(t *testing.T, text string) string {
	t.Helper()
	var p struct{ Code string }
	require.NoError(t, json.Unmarshal([]byte(text), &p), text)
	return p.Code
}

const helloSource = `export default { async fetch(request, env, ctx) {
	console.log("asked", request.method);
	return Response.json({ hello: await request.text() });
} }`

func TestRunIsOnRecord(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.endpoint(key, "/hello", helloSource, nil)
	n.live("/t/acme/hello")
	resp, body, err := n.request("POST", "/t/acme/hello?x=1", "", "you")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, string(body))
	require.JSONEq(t, `{"hello": "\"you\""}`, string(body))
	execution := resp.Header.Get("X-Execution-Id")
	require.NotEmpty(t, execution)
	layers, _ := n.must(200, "GET", "/healthz", "", nil)["sandbox"].([]any)
	require.Contains(t, layers, "seccomp=on")
	require.True(t, slices.ContainsFunc(layers, func(l any) bool { return strings.HasPrefix(fmt.Sprint(l), "cgroup=o") }), "%v", layers)

	var e map[string]any
	require.Eventually(t, func() bool {
		status, text := n.try("GET", "/api/v1/executions/"+execution, key, nil)
		return status == 200 && json.Unmarshal([]byte(text), &e) == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "completed", e["status"])
	require.Equal(t, "http", e["trigger_type"])
	require.Equal(t, id, e["script_id"])
	require.Equal(t, "POST", e["input"].(map[string]any)["method"])
	require.NotNil(t, e["output"])
	metrics := e["metrics"].(map[string]any)
	for _, name := range []string{"duration_ms", "cpu_ms", "queue_ms", "cold_start", "peak_memory_bytes", "api_calls", "output_bytes", "log_bytes"} {
		require.Contains(t, metrics, name)
	}
	require.Positive(t, metrics["duration_ms"])
	require.Positive(t, metrics["peak_memory_bytes"])
	logs := n.must(200, "GET", "/api/v1/executions/"+execution+"/logs", key, nil)["items"].([]any)
	require.Len(t, logs, 1)
	require.Contains(t, logs[0].(map[string]any)["message"], "asked POST")
	items := n.must(200, "GET", "/api/v1/executions?script_id="+id, key, nil)["items"].([]any)
	require.NotEmpty(t, items)

	// Another tenant sees none of it.
	other := n.tenant("other")
	n.must(404, "GET", "/api/v1/executions/"+execution, other, nil)
	n.must(404, "GET", "/api/v1/scripts/"+id, other, nil)
}

func TestLimitsBiteAndTheNeighbourDoesNotNotice(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	attacker, neighbour := n.tenant("attacker"), n.tenant("neighbour")
	n.endpoint(neighbour, "/hello", helloSource, nil)
	n.live("/t/neighbour/hello")

	// The neighbour is asked all the time.
	stop, asked := make(chan struct{}), make(chan error, 1)
	go func() {
		count := 0
		for {
			select {
			case <-stop:
				if count < 10 {
					asked <- fmt.Errorf("the neighbour was asked %d times only", count)
				} else {
					asked <- nil
				}
				return
			default:
			}
			if status, text := n.try("GET", "/t/neighbour/hello", "", nil); status != 200 {
				asked <- fmt.Errorf("the neighbour answered %d: %s", status, text)
				return
			}
			count++
		}
	}()

	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"endless":      {`while (true) {}`, 504, "exceeded_wall_time"},
		"never":        {`await new Promise((r) => setTimeout(r, 60_000))`, 504, "exceeded_wall_time"},
		"growing":      {`const a = []; for (;;) a.push({ a: new Array(100).fill(1) })`, 503, "exceeded_memory"},
		"sort":         {`return new Response(String(new Array(1e8).fill(0).sort().length))`, 503, "exceeded_memory"},
		"split":        {`return new Response(String('x'.repeat(2**29-24).split('').length))`, 503, "exceeded_memory"},
		"throw":        {`throw new Error("no way")`, 500, "exception"},
		"unsettled":    {`await new Promise(() => {})`, 500, "unsettled"},
		"no-response":  {`return 42`, 500, "invalid_output"},
		"large-output": {`return new Response("x".repeat(2_000_000))`, 500, "output_too_large"},
	} {
		limit := 1500 * time.Millisecond
		if c.code == "exceeded_memory" {
			limit = 60 * time.Second
		}
		n.endpoint(attacker, "/"+name, "export default { async fetch() { "+c.body+" } }", map[string]any{"max_execution_time_ms": limit.Milliseconds()})
		n.live("/t/attacker/" + name)
		begun := time.Now()
		status, text := n.try("GET", "/t/attacker/"+name, "", nil)
		took := time.Since(begun)
		require.Equal(t, c.status, status, "%s: %s", name, text)
		require.Equal(t, c.code, code(t, text), name)
		if c.status == 504 {
			require.Less(t, took, 30*time.Second, name) // "never" would take a minute
		}
		status, text = n.try("GET", "/t/neighbour/hello", "", nil)
		require.Equal(t, 200, status, text)
	}
	close(stop)
	require.NoError(t, <-asked)
}

func TestChangedSourceIsLiveOnASecondNode(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	first := start(t, nodeConfig{databaseURL: database})
	second := start(t, nodeConfig{databaseURL: database})
	key := first.tenant("acme")
	id := first.endpoint(key, "/v", `export default { fetch: () => new Response("1") }`, nil)
	first.live("/t/acme/v")
	second.live("/t/acme/v")
	for version := 2; version <= 4; version++ {
		want := fmt.Sprint(version)
		first.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"source": `export default { fetch: () => new Response("` + want + `") }`})
		changed := time.Now()
		for _, n := range []*process{second, first} {
			require.Eventually(t, func() bool {
				status, text := n.try("GET", "/t/acme/v", "", nil)
				return status == 200 && text == want
			}, 20*time.Second, 5*time.Millisecond, "version %s", want)
		}
		t.Logf("version %s was live on both nodes after %v", want, time.Since(changed))
	}
}

func TestRestartsKeepEverything(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts an embedded Postgres three times")
	}
	keepsOverRestarts(t, nil)
}

func TestRestartsKeepEverythingAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts an embedded Postgres three times")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	const nobody = 65534
	keepsOverRestarts(t, &syscall.Credential{Uid: nobody, Gid: nobody})
}

func keepsOverRestarts(t *testing.T, as *syscall.Credential) {
	t.Helper()
	dir, err := os.MkdirTemp("", "jsruntime-data-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	if as != nil {
		require.NoError(t, os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	cfg := nodeConfig{dataDir: dir, as: as, args: []string{"--demo"}}
	n := start(t, cfg)
	key := n.tenant("acme")
	id := n.endpoint(key, "/hello", helloSource, nil)
	n.live("/t/acme/hello")
	executions := []string{}
	for i, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL, nil} {
		resp, text, err := n.request("GET", "/t/acme/hello", "", nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode, string(text))
		executions = append(executions, resp.Header.Get("X-Execution-Id"))
		if signal == syscall.SIGKILL {
			// A killed node may lose what it answered within the last 100 ms: see it on record first.
			n.onRecord(key, executions[i])
		}
		if signal == nil {
			break
		}
		n.stop(signal)
		n = start(t, cfg)
		n.must(200, "GET", "/api/v1/scripts/"+id, key, nil)
		n.live("/t/acme/hello")
		for _, e := range executions {
			n.onRecord(key, e)
		}
		// A start that was ended amid the making of the demo left the rest of it to this one.
		n.live("/t/demo/hello/restart")
	}
}

func (n *process) onRecord(key, execution string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		status, text := n.try("GET", "/api/v1/executions/"+execution, key, nil)
		return status == 200 && strings.Contains(text, `"completed"`)
	}, 10*time.Second, 10*time.Millisecond, execution)
}

// running waits until so many executions are under way.
func (n *process) running(count int) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		_, text := n.try("GET", "/metrics", "", nil)
		return strings.Contains(text, fmt.Sprintf("jsruntime_executions_running %d\n", count))
	}, 10*time.Second, 10*time.Millisecond)
}

func TestDrainLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	n.endpoint(key, "/slow", `export default { async fetch() { await new Promise((r) => setTimeout(r, 1500)); return new Response("done") } }`, nil)
	n.endpoint(key, "/hello", helloSource, nil)
	n.live("/t/acme/hello")
	answers := make(chan string, 4)
	begun := make(chan struct{}, 4)
	for range 4 {
		go func() {
			begun <- struct{}{}
			status, text := n.try("GET", "/t/acme/slow", "", nil)
			answers <- fmt.Sprint(status, " ", text)
		}()
	}
	for range 4 {
		<-begun
	}
	n.running(4)
	_, text := n.try("GET", "/metrics", "", nil)
	for _, pool := range []string{"main", "scheduler", "host_calls"} {
		require.Contains(t, text, fmt.Sprintf("jsruntime_db_connections_max{pool=%q}", pool))
	}
	n.stop(syscall.SIGTERM)
	for range 4 {
		require.Equal(t, "200 done", <-answers)
	}
}

// What has not ended when the drain is over is cancelled, answered and on record.
func TestDrainAnswersWhatItCancels(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--drain-timeout", "500ms"}})
	key := n.tenant("acme")
	n.endpoint(key, "/slow", `export default { async fetch() { await new Promise((r) => setTimeout(r, 50000)); return new Response("done") } }`,
		map[string]any{"max_execution_time_ms": 60000})
	n.endpoint(key, "/hello", helloSource, nil)
	n.live("/t/acme/hello")
	answer := make(chan string, 1)
	go func() {
		status, text := n.try("GET", "/t/acme/slow", "", nil)
		answer <- fmt.Sprint(status, " ", text)
	}()
	n.running(1)
	n.stop(syscall.SIGTERM)
	text := <-answer
	require.True(t, strings.HasPrefix(text, "503 "), text)
	require.Contains(t, text, `"cancelled"`)
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"version"}, none, &out, &errs))
	require.Contains(t, out.String(), "jsruntime ")
	require.Equal(t, 0, run(t.Context(), []string{"serve", "--help"}, none, &out, &errs))
	require.Contains(t, out.String(), "JSRUNTIME_DRAIN_TIMEOUT")
	require.Equal(t, 2, run(t.Context(), []string{"serve", "--nonsense"}, none, &out, &errs))
	require.Equal(t, 2, run(t.Context(), []string{"serve"}, func(name string) string {
		return map[string]string{"JSRUNTIME_PPROF": "true", "JSRUNTIME_WORKER": os.Args[0]}[name]
	}, &out, &errs))
	require.Contains(t, errs.String(), "pprof")

	// What ends a node is a line of its log, in the log's format.
	errs.Reset()
	require.Equal(t, 1, run(t.Context(), []string{"serve"}, func(name string) string {
		return map[string]string{"JSRUNTIME_DATA_DIR": os.Args[0] + "/none", "JSRUNTIME_WORKER": os.Args[0]}[name]
	}, &out, &errs))
	var line map[string]any
	require.NoError(t, json.Unmarshal(errs.Bytes(), &line), errs.String())
	require.Equal(t, "node failed", line["msg"])
	require.Contains(t, line["error"], "data-dir")

	database := dbtest.Empty(t)
	env := func(name string) string { return map[string]string{"DATABASE_URL": database}[name] }
	out.Reset()
	require.Equal(t, 0, run(t.Context(), []string{"migrate", "status"}, env, &out, &errs), errs.String())
	require.NotContains(t, out.String(), "applied")
	require.Equal(t, 0, run(t.Context(), []string{"migrate", "up"}, env, &out, &errs), errs.String())
	require.Contains(t, out.String(), "applied")
	require.Equal(t, 1, run(t.Context(), []string{"migrate", "up"}, none, &out, &errs))
}

func TestLogLinesAreSeenFromAnotherNode(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	first := start(t, nodeConfig{databaseURL: database})
	second := start(t, nodeConfig{databaseURL: database})
	key := first.tenant("acme")
	first.endpoint(key, "/hello", helloSource, nil)
	first.live("/t/acme/hello")

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", second.base+"/api/v1/logs/tail", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for ctx.Err() == nil { // the first node hears of the watcher a moment later
			first.try("GET", "/t/acme/hello", "", nil)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	lines := bufio.NewScanner(resp.Body)
	seen := false
	for !seen && lines.Scan() {
		seen = strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), "asked GET")
	}
	require.True(t, seen, lines.Err())

	// A stream that is watched does not keep the node from draining.
	begun := time.Now()
	second.stop(syscall.SIGTERM)
	require.Less(t, time.Since(begun), 25*time.Second) // --drain-timeout is 30 s
	cancel()
	<-asked
}

func TestChangeIsLiveBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.endpoint(key, "/v", `export default { fetch: () => new Response("0") }`, nil)
	for i := range 20 {
		status, text := n.try("GET", "/t/acme/v", "", nil)
		require.Equal(t, 200, status)
		require.Equal(t, fmt.Sprint(i), text)
		n.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"source": fmt.Sprintf(`export default { fetch: () => new Response("%d") }`, i+1)})
	}
	n.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"status": "paused"})
	status, _ := n.try("GET", "/t/acme/v", "", nil)
	require.Equal(t, 404, status)
}

// A node names V8's version and age wherever it names itself, and refuses time zones that V8's Intl does not know.
func TestV8IsNamed(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--jit", "baseline"}})
	health := n.must(200, "GET", "/healthz", "", nil)
	version, _ := health["v8_version"].(string)
	require.Regexp(t, `^\d+\.\d+\.\d+`, version)
	require.Greater(t, health["v8_age_days"], 1.0)
	require.Equal(t, "baseline", health["jit"])
	require.Regexp(t, `^20\d\d[a-z]$`, health["tzdata_version"])
	require.Regexp(t, `^\d+\.\d+$`, health["icu_version"])
	_, metrics, err := n.request("GET", "/metrics", "", nil)
	require.NoError(t, err)
	require.Regexp(t, `jsruntime_v8_info\{icu="[^"]+",jit="baseline",tzdata="20[^"]+",version="`+version+`"\} 1`, string(metrics))
	require.Regexp(t, `jsruntime_v8_age_days \d+`, string(metrics))
	require.Regexp(t, `jsruntime_v8_exploited_advisories \d`, string(metrics))
	require.Contains(t, n.log.String(), `"v8_version":"`+version+`"`)
	require.Eventually(t, func() bool {
		_, nodes := n.try("GET", "/api/v1/nodes", testAdminKey, nil)
		return strings.Contains(nodes, `"v8_version":"`+version+`"`) && strings.Contains(nodes, `"v8_age_days":`)
	}, time.Minute, 50*time.Millisecond)

	// A tenant's plan lowers the level, and cannot raise it: the worker's arguments say which holds.
	levels := func() string {
		out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", n.cmd.Process.Pid, n.cmd.Process.Pid))
		require.NoError(t, err)
		children := strings.Fields(string(out))
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", n.cmd.Process.Pid))
		require.NoError(t, err)
		for _, thread := range threads {
			more, _ := os.ReadFile(thread) // a thread that has ended has none
			children = append(children, strings.Fields(string(more))...)
		}
		all := ""
		for _, pid := range children {
			args, _ := os.ReadFile("/proc/" + pid + "/cmdline") // it may have ended
			all += strings.ReplaceAll(string(args), "\x00", " ") + "\n"
		}
		return all
	}
	for slug, level := range map[string]string{"lower": "off", "higher": "full"} {
		own := n.tenant(slug)
		require.Equal(t, level, n.must(200, "PATCH", "/api/v1/tenants/"+slug, testAdminKey, map[string]any{"plan": map[string]any{"jit": level}})["plan"].(map[string]any)["jit"])
		n.endpoint(own, "/hello", helloSource, nil)
		n.live("/t/" + slug + "/hello")
	}
	n.must(422, "PATCH", "/api/v1/tenants/lower", testAdminKey, map[string]any{"plan": map[string]any{"jit": "on"}})
	require.Eventually(t, func() bool { return strings.Contains(levels(), "--jit=baseline --sandbox=auto --jit=off") }, time.Minute, 50*time.Millisecond)
	require.NotContains(t, levels(), "--jit=full")

	key := n.tenant("zones")
	for zone, status := range map[string]int{"America/Coyhaique": 422, "localtime": 422, "posixrules": 422, "Factory": 422, "US/Eastern": 201, "Asia/Calcutta": 201} {
		status2, answer := n.try("POST", "/api/v1/scripts", key, map[string]any{
			"name": "zone-" + strings.ToLower(strings.ReplaceAll(zone, "/", "-")), "type": "scheduled", "cron_expression": "0 3 * * *", "timezone": zone,
			"source": "export default { scheduled() {} }",
		})
		require.Equal(t, status, status2, "%s: %s", zone, answer)
		if status == 422 {
			require.Contains(t, answer, "body.timezone", zone)
		}
	}
}
