package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// world is what one fault happens to.
type world struct {
	t     *testing.T
	dir   string
	db    *database
	name  string // of the database in db
	sink  *sink
	relay *relay // between the nodes and Postgres; nil where nodes connect to it directly
	nodes []*node
	key   string // of the tenant's admin

	scripts map[string]string // name to id

	// baseline is what the nodes held before the fault.
	baseline map[string]map[string]float64
	doomed   []process // workers whose node was ended

	mu       sync.Mutex
	accepted map[string]time.Time // executions that were accepted with 202
	events   map[string]bool      // events that were accepted
	created  map[string]bool      // scripts that were acknowledged
	answered []answered
	unsure   map[string]unsure // by Idempotency-Key
	refusals map[string]int    // by status
	latency  []time.Duration
	failures map[string]int // answers that no client should get
	notes    []string

	// paused: no node can reach Postgres, so that nothing can be expected of leases.
	paused atomic.Bool
	// stepped: the fault steps clocks, so that times of different moments can't be compared.
	stepped bool
	overdue map[string]bool // what was found running without a live lease for too long

	stopLoad func()
	loads    sync.WaitGroup
}

type answered struct {
	execution string
	node      *node
	at        time.Time
}

// worldConfig says how a world differs from the usual one.
type worldConfig struct {
	nodes    int      // 0: 2
	relay    bool     // nodes reach Postgres through w.relay
	env      []string // of every node
	database *database
	noStart  bool // the fault starts the nodes itself
	stepped  bool // the fault steps clocks
}

var worlds atomic.Int64

func newWorld(t *testing.T, shared *database, cfg worldConfig) *world {
	t.Helper()
	w := &world{
		t: t, dir: t.TempDir(), db: shared, name: fmt.Sprintf("world_%d", worlds.Add(1)), sink: newSink(t), scripts: map[string]string{},
		baseline: map[string]map[string]float64{}, accepted: map[string]time.Time{}, events: map[string]bool{}, created: map[string]bool{},
		refusals: map[string]int{}, failures: map[string]int{}, unsure: map[string]unsure{}, overdue: map[string]bool{}, stopLoad: func() {},
		stepped: cfg.stepped,
	}
	if cfg.database != nil {
		w.db = cfg.database
	}
	w.db.exec(t, "postgres", "CREATE DATABASE "+w.name)
	if cfg.relay {
		w.relay = newRelay(t, func() string { return fmt.Sprintf("127.0.0.1:%d", w.db.Port) })
	}
	if cfg.nodes == 0 {
		cfg.nodes = 2
	}
	if !cfg.noStart {
		for i := range cfg.nodes {
			w.start(nodeConfig{name: fmt.Sprintf("node%d", i+1), env: cfg.env})
		}
		for _, n := range w.nodes {
			n.waitReady(t)
		}
		w.furnish()
	}
	return w
}

// databaseURL is what nodes connect to.
func (w *world) databaseURL() string {
	if w.relay == nil {
		return w.db.url(w.name)
	}
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", w.relay.port(), w.name)
}

func (w *world) start(cfg nodeConfig) *node {
	w.t.Helper()
	if cfg.database == "" {
		cfg.database = w.databaseURL()
	}
	n := startNode(w.t, w.dir, cfg)
	w.mu.Lock()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	return n
}

// open starts the nodes of a fault that starts them itself, and all that they need.
func (w *world) open(nodes ...nodeConfig) {
	w.t.Helper()
	for _, cfg := range nodes {
		w.start(cfg)
	}
	for _, n := range w.nodes {
		n.waitReady(w.t)
	}
	w.furnish()
	w.exec(audit)
	w.warm()
}

// kill notes a node's workers and kills it.
func (w *world) kill(n *node) {
	w.doomed = append(w.doomed, n.workers()...)
	n.kill()
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// pick is a node that runs, at random.
func (w *world) pick() *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var up []*node
	for _, n := range w.nodes {
		n.mu.Lock()
		if !n.expected {
			up = append(up, n)
		}
		n.mu.Unlock()
	}
	if len(up) == 0 {
		return nil
	}
	return up[rand.IntN(len(up))]
}

// call makes one request. The error is the connection's.
func (w *world) call(ctx context.Context, n *node, method, path, key string, body any, out any) (int, http.Header, error) {
	header := http.Header{}
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	return w.send(ctx, n, method, path, header, body, out)
}

func (w *world) send(ctx context.Context, n *node, method, path string, header http.Header, body any, out any) (int, http.Header, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, n.base+path, reader)
	if err != nil {
		return 0, nil, err
	}
	req.Header = header
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, resp.Header, err
	}
	if out != nil && resp.StatusCode < 300 && len(text) > 0 {
		if err := json.Unmarshal(text, out); err != nil {
			return resp.StatusCode, resp.Header, err
		}
	}
	if resp.StatusCode >= 400 && resp.StatusCode != 503 && resp.StatusCode != 429 {
		w.mu.Lock()
		w.failures[fmt.Sprintf("%d %s %s: %.200s", resp.StatusCode, method, strings.SplitN(path, "?", 2)[0], text)]++
		w.mu.Unlock()
	}
	return resp.StatusCode, resp.Header, nil
}

// must is call where nothing may go wrong.
func (w *world) must(method, path, key string, body, out any) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	status, _, err := w.call(ctx, w.pick(), method, path, key, body, out)
	require.NoError(w.t, err)
	require.Less(w.t, status, 300, "%s %s: %d %v", method, path, status, w.failures)
}

// prelude is how every script of the suite speaks with the sink.
const prelude = `
const sink = "%s";
const token = () => Date.now().toString(36) + Math.random().toString(36).slice(2);
const begin = (ctx, t) => fetch(sink + "/begin?e=" + ctx.executionId + "&token=" + t).then((r) => r.text());
const end = (ctx, t) => fetch(sink + "/end?e=" + ctx.executionId + "&token=" + t).then((r) => r.text());
`

var library = []struct{ name, kind, source string }{
	// work takes input.ms in a host call, or with input.spin on the processor.
	{"work", "oneoff", `export default { async run(input, env, ctx) {
		const t = token(); await begin(ctx, t);
		if (input?.ms) await fetch(sink + "/slow?ms=" + input.ms).then((r) => r.text());
		if (input?.spin) { const until = Date.now() + input.spin; while (Date.now() < until) {} }
		await end(ctx, t);
		return { mark: t, n: input?.n ?? null };
	} }`},
	{"hello", "http", `export default { fetch(request, env, ctx) { return Response.json({ id: ctx.executionId }); } }`},
	{"big", "http", `export default { fetch() { return new Response(new ReadableStream({ start(c) { this.n = 0; }, pull(c) {
		c.enqueue(new Uint8Array(65536).fill(120)); if (++this.n >= 160) c.close(); } })); } }`},
	{"waits", "http", `export default { async fetch(request, env, ctx) {
		await fetch(sink + "/slow?ms=" + (new URL(request.url).searchParams.get("ms") ?? 100)).then((r) => r.text());
		return Response.json({ id: ctx.executionId }); } }`},
	{"onevent", "event", `export default { async event(event, env, ctx) {
		const t = token(); await begin(ctx, t); await end(ctx, t);
		if (event.data?.fail) throw new Error("as asked");
		return { mark: t, id: event.id };
	} }`},
	{"tick", "scheduled", `export default { async scheduled(c, env, ctx) {
		await fetch(sink + "/tick?s=" + ctx.scriptId + "&at=" + c.scheduledTime + "&e=" + ctx.executionId).then((r) => r.text());
	} }`},
}

// furnish makes the tenant and its scripts.
func (w *world) furnish() {
	w.t.Helper()
	w.must("POST", "/api/v1/tenants", adminKey, map[string]any{"slug": "acme", "name": "Acme"}, nil)
	var key struct{ Key string }
	w.must("POST", "/api/v1/tenants/acme/api-keys", adminKey, map[string]any{"name": "faults", "role": "admin"}, &key)
	w.key = key.Key
	for _, s := range library {
		w.addScript(s.name, s.kind, s.source, nil)
	}
	// A path is served once the node's catalog has heard of it.
	for _, n := range w.nodes {
		require.Eventually(w.t, func() bool { return n.status("/t/acme/hello", 5*time.Second) == http.StatusOK }, 30*time.Second, 50*time.Millisecond, "hello does not answer on %s", n.name)
	}
	w.mu.Lock()
	w.failures = map[string]int{}
	w.mu.Unlock()
}

// addScript makes an active script with the suite's limits.
func (w *world) addScript(name, kind, source string, more map[string]any) string {
	w.t.Helper()
	body := map[string]any{
		"name": name, "type": kind, "status": "active", "source": fmt.Sprintf(prelude, w.sinkURL()) + source,
		"resource_limits": map[string]any{"max_api_calls_per_minute": 100000, "max_concurrent_runs": 100},
	}
	switch kind {
	case "http":
		body["http_path"], body["http_methods"] = "/"+name, []string{"GET", "POST"}
	case "event":
		body["event_types"] = []string{"fault." + name}
	case "scheduled":
		body["cron_expression"] = "* * * * * *"
	}
	for k, v := range more {
		body[k] = v
	}
	var made struct{ ID string }
	w.must("POST", "/api/v1/scripts", w.key, body, &made)
	w.setScript(name, made.ID)
	w.mu.Lock()
	w.created[made.ID] = true
	w.mu.Unlock()
	return made.ID
}

// script is the id of a script, which a fault may replace while the load runs.
func (w *world) script(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.scripts[name]
}

func (w *world) setScript(name, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scripts[name] = id
}

func (w *world) sinkURL() string { return w.sink.base }

// submit asks for an execution of work and reports whether it was accepted. Where it cannot tell, resolve asks again.
func (w *world) submit(ctx context.Context, input map[string]any) (string, bool) {
	n := w.pick()
	if n == nil {
		return "", false
	}
	key := fmt.Sprintf("%s-%x", w.name, rand.Uint64())
	input = maps.Clone(input)
	input["key"] = key
	script := w.script("work")
	id, status, err := w.submitOnce(ctx, n, script, key, input)
	w.count(status, err)
	if id != "" {
		return id, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.unsure) < maxUnsure {
		w.unsure[key] = unsure{script, input}
	}
	return "", false
}

// maxUnsure bounds what is asked for again after an outage of half a minute.
const maxUnsure = 60

// unsure is an execution that may or may not have been accepted.
type unsure struct {
	script string
	input  map[string]any
}

func (w *world) submitOnce(ctx context.Context, n *node, script, key string, input map[string]any) (id string, status int, err error) {
	header := http.Header{"Authorization": {"Bearer " + w.key}, "Idempotency-Key": {key}}
	var made struct{ ID string }
	status, _, err = w.send(ctx, n, "POST", "/api/v1/scripts/"+script+"/executions", header, map[string]any{"input": input}, &made)
	if err != nil || status != http.StatusAccepted {
		return "", status, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepted[made.ID] = time.Now()
	return made.ID, status, nil
}

// resolve asks again, with the same Idempotency-Key, for each execution whose acceptance is unknown, and returns
// what did not get an answer within the given time.
func (w *world) resolve(within time.Duration) (unresolved []string) {
	deadline := time.Now().Add(within)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for key, what := range w.unsure {
		wg.Go(func() {
			last := "no node is up"
			for time.Now().Before(deadline) {
				if n := w.pick(); n != nil {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					id, status, err := w.submitOnce(ctx, n, what.script, key, what.input)
					cancel()
					if id != "" {
						return
					}
					last = fmt.Sprintf("%d %v", status, err)
				}
				time.Sleep(250 * time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			unresolved = append(unresolved, fmt.Sprintf("Idempotency-Key %s: %s", key, last))
		})
	}
	wg.Wait()
	return unresolved
}

// watchLeases notes what is running without a live lease for longer than a lease and a sweep may take, until ctx ends.
func (w *world) watchLeases(ctx context.Context) {
	const bound = 25 * time.Second // a lease of 15 s, a sweep every 5 s, and what a sweep takes on two processors
	seen := map[string]time.Time{}
	for ; ctx.Err() == nil; time.Sleep(500 * time.Millisecond) {
		expired, err := w.expired(ctx)
		if err != nil || w.paused.Load() {
			clear(seen)
			continue
		}
		now := time.Now()
		maps.DeleteFunc(seen, func(id string, _ time.Time) bool { return !slices.Contains(expired, id) })
		for _, id := range expired {
			if _, known := seen[id]; !known {
				seen[id] = now
			}
			if age := now.Sub(seen[id]); age > bound {
				w.mu.Lock()
				w.overdue[id] = true
				w.mu.Unlock()
			}
		}
	}
}

func (w *world) expired(ctx context.Context) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.db.url(w.name))
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `SELECT coalesce(array_agg(id), '{}') FROM (
		SELECT 'execution ' || id FROM script_execution_queue WHERE lease_expires_at < now()
		UNION ALL SELECT 'schedule ' || id FROM script_scheduled_jobs WHERE is_running AND lease_expires_at < now()) AS late(id)`).Scan(&ids)
	return ids, err
}

func (w *world) publish(ctx context.Context, id string, data any) bool {
	n := w.pick()
	if n == nil {
		return false
	}
	body := map[string]any{"type": "fault.onevent", "data": data}
	if id != "" {
		body["id"] = id
	}
	var made struct {
		EventID string `json:"event_id"`
	}
	status, _, err := w.call(ctx, n, "POST", "/api/v1/events", w.key, body, &made)
	w.count(status, err)
	if err != nil || status != http.StatusAccepted {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[made.EventID] = true
	return true
}

// visit calls an endpoint and notes the answer.
func (w *world) visit(ctx context.Context, n *node, path string) int {
	if n == nil {
		return 0
	}
	begun := time.Now()
	status, header, err := w.call(ctx, n, "GET", "/t/acme"+path, "", nil, nil)
	w.count(status, err)
	if err != nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latency = append(w.latency, time.Since(begun))
	if id := header.Get("X-Execution-Id"); id != "" && status == http.StatusOK {
		w.answered = append(w.answered, answered{execution: id, node: n, at: time.Now()})
	}
	return status
}

func (w *world) count(status int, err error) {
	word := fmt.Sprint(status)
	if err != nil {
		word = "no answer"
		if errors.Is(err, context.Canceled) {
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals[word]++
}

// load keeps a mix of everything going until w.settle, or the returned function, ends it.
func (w *world) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	every := func(d time.Duration, what func(context.Context)) {
		w.loads.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					once, end := context.WithTimeout(ctx, 10*time.Second)
					what(once)
					end()
				}
			}
		})
	}
	for range 2 {
		every(25*time.Millisecond, func(ctx context.Context) { w.visit(ctx, w.pick(), "/hello") })
	}
	every(60*time.Millisecond, func(ctx context.Context) { w.submit(ctx, map[string]any{"n": 1}) })
	every(300*time.Millisecond, func(ctx context.Context) { w.submit(ctx, map[string]any{"ms": 2000}) })
	every(100*time.Millisecond, func(ctx context.Context) { w.publish(ctx, "", map[string]any{"n": 1}) })
	every(500*time.Millisecond, func(ctx context.Context) { w.visit(ctx, w.pick(), "/waits?ms=300") })
	w.loads.Go(func() { w.watchLeases(ctx) })
	var once sync.Once
	w.stopLoad = func() { once.Do(func() { cancel(); w.loads.Wait() }) }
	w.t.Cleanup(w.stopLoad)
	return w.stopLoad
}

// warm runs the load until everything has run once, and takes the baseline.
func (w *world) warm() {
	w.t.Helper()
	w.load()
	runs := func() bool {
		w.sink.mu.Lock()
		defer w.sink.mu.Unlock()
		return len(w.sink.ends) > 10 && len(w.sink.ticks) > 1
	}
	for until := time.Now().Add(30 * time.Second); !runs(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			w.stopLoad()
			require.FailNow(w.t, "the load does not run", "answers %v %v, hits %d, endings:\n%s", w.refusals, w.failures, w.sink.hits, strings.Join(rows(w,
				`SELECT format('%s × %s %s %s: %s', count(*), handler, status, error_code, left(error, 300)) FROM script_executions GROUP BY handler, status, error_code, left(error, 300)`), "\n"))
		}
	}
	time.Sleep(2 * time.Second)
	for _, n := range w.nodes {
		w.baseline[n.name] = n.holds()
	}
}

// holds is what a node has that could leak.
func (n *node) holds() map[string]float64 {
	return map[string]float64{
		"workers":    float64(len(n.workers())),
		"acquired":   n.metric("jsruntime_db_connections", `state="acquired"`),
		"goroutines": n.metric("go_goroutines"), "descriptors": n.metric("process_open_fds"), "resident_mib": n.metric("process_resident_memory_bytes") / (1 << 20),
	}
}

// query reads one value from the world's database.
func query[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	var value T
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.db.url(w.name))
	require.NoError(w.t, err)
	defer conn.Close(context.Background())
	require.NoError(w.t, conn.QueryRow(ctx, sql, args...).Scan(&value), sql)
	return value
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	w.db.exec(w.t, w.name, sql, args...)
}
