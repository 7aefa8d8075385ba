package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// script is one of the load's, as the API takes it.
type script struct {
	tenant, name, kind, source string
	limits                     map[string]any
}

// library is what the load calls. A script with %d in its source gets a new version every minute, and %d is that version's number.
var library = []script{
	{tenant: "steady", name: "hello", kind: "http", source: `export default { fetch(request, env, ctx) { return Response.json({ version: %d, id: ctx.executionId }); } }`},
	{tenant: "steady", name: "counter", kind: "http", source: `import { kv } from "jsruntime"; export default { async fetch() { return Response.json(await kv.increment("visits", 1)); } }`},
	{tenant: "steady", name: "fetches", kind: "http", source: `export default { async fetch() { const r = await fetch("SINK/" + %d); return new Response(await r.text()); } }`},
	{tenant: "steady", name: "throws", kind: "http", source: `export default { fetch() { console.log("about to throw"); throw new Error("as asked, version " + %d); } }`},
	{tenant: "steady", name: "onevent", kind: "event", source: `export default { event(event) { if (event.data.fail) throw new Error("as asked"); return event.id; } }`},
	{tenant: "steady", name: "work", kind: "oneoff", source: `import { kv, log } from "jsruntime"; export default { async run(input) {
		await kv.put("work-" + (input.n %% 100), { at: Date.now(), filler: "x".repeat(1000) }); log.info("worked", input); return input.n; } }`},
	{tenant: "steady", name: "tick", kind: "scheduled", source: `export default { scheduled(c) { return c.scheduledTime; } }`},
	{tenant: "steady", name: "tickkv", kind: "scheduled", source: `import { kv, events } from "jsruntime"; export default { async scheduled(c) {
		await events.publish("soak.onevent", { from: "tick" }); return await kv.increment("ticks", 1); } }`},
	{tenant: "steady", name: "tickfails", kind: "scheduled", source: `export default { scheduled() { throw new Error("as asked"); } }`},

	{tenant: "hostile", name: "spin", kind: "http", limits: map[string]any{"max_execution_time_ms": 200}, source: `export default { fetch() { for (let v = %d;;) {} } }`},
	{tenant: "hostile", name: "heap", kind: "http", source: `export default { fetch() { const a = [%d]; for (;;) a.push({ a: 1, b: [2] }); } }`},
	{tenant: "hostile", name: "native", kind: "http", source: `export default { fetch() { const a = [%d]; for (;;) a.push(new Uint8Array(1e7).fill(7)); } }`},
	{tenant: "hostile", name: "deep", kind: "http", source: `export default { fetch() { const f = (n) => f(n + 1) + 1; return new Response(f(%d)); } }`},
	{tenant: "hostile", name: "long", kind: "http", source: `export default { fetch() { return new Response("x".repeat(3e6 + %d)); } }`},
	{tenant: "hostile", name: "never", kind: "http", source: `export default { fetch() { const v = %d; return new Promise(() => v); } }`},
	{tenant: "hostile", name: "aborts", kind: "http", source: `export default { fetch() { return new Response(String("x".repeat(2 ** 29 - 24).split("").length + %d)); } }`},
}

var attackers = []string{"spin", "heap", "native", "deep", "long", "never", "aborts"}

// action is something that the load does. Its answers must be among want.
type action struct {
	name  string
	share int // of all shares' sum
	want  []int
	do    func(ctx context.Context, m *mix) (status int, execution string, text []byte, err error)
}

func visit(path func() string) func(context.Context, *mix) (int, string, []byte, error) {
	return func(ctx context.Context, m *mix) (int, string, []byte, error) {
		return m.node.call(ctx, http.MethodGet, path(), "", nil)
	}
}

func always(path string) func() string { return func() string { return path } }

var actions = []action{
	{name: "warm request", share: 75, want: []int{200}, do: visit(always("/t/steady/hello"))},
	{name: "kv", share: 8, want: []int{200}, do: visit(always("/t/steady/counter"))},
	{name: "fetch", share: 3, want: []int{200}, do: visit(always("/t/steady/fetches"))},
	{name: "throw", share: 4, want: []int{500}, do: visit(always("/t/steady/throws"))},
	{name: "event", share: 5, want: []int{202}, do: func(ctx context.Context, m *mix) (int, string, []byte, error) {
		return m.node.call(ctx, http.MethodPost, "/api/v1/events", m.keys["steady"], map[string]any{"type": "soak.onevent", "data": map[string]any{"fail": rand.IntN(10) == 0}})
	}},
	{name: "queued execution", share: 4, want: []int{202}, do: func(ctx context.Context, m *mix) (int, string, []byte, error) {
		return m.node.call(ctx, http.MethodPost, "/api/v1/scripts/"+m.ids["work"]+"/executions", m.keys["steady"], map[string]any{"input": map[string]any{"n": rand.IntN(1000)}})
	}},
	{name: "attack", share: 1, want: []int{429, 500, 503, 504, 508}, do: visit(func() string { return "/t/hostile/" + attackers[rand.IntN(len(attackers))] })},
}

// mix is the load.
type mix struct {
	node *node
	sink *httptest.Server
	keys map[string]string // tenants' admins
	ids  map[string]string // scripts'

	mu         sync.Mutex
	sent       map[string]int         // by action
	statuses   map[string]map[int]int // by action
	unexpected map[string]int         // by description
	refused    map[string]int         // by code
	answered   []string               // executions
	unlike     map[string]string      // those whose answer was not a 200
	window     []time.Duration        // warm requests since the last sample
	all        []time.Duration        // warm requests
	flying     chan struct{}
}

func newMix(ctx context.Context, n *node) (*mix, error) {
	m := &mix{
		node: n, keys: map[string]string{}, ids: map[string]string{}, sent: map[string]int{}, statuses: map[string]map[int]int{}, unexpected: map[string]int{}, unlike: map[string]string{}, refused: map[string]int{},
		// More than that in flight at once are not sent, and counted: the node stands still.
		flying: make(chan struct{}, 512),
		sink:   httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })),
	}
	for _, slug := range []string{"steady", "hostile"} {
		if err := n.must(ctx, http.MethodPost, "/api/v1/tenants", n.key, map[string]any{"slug": slug, "name": slug}, nil); err != nil {
			return nil, err
		}
		var key struct{ Key string }
		if err := n.must(ctx, http.MethodPost, "/api/v1/tenants/"+slug+"/api-keys", n.key, map[string]any{"name": "soak", "role": "admin"}, &key); err != nil {
			return nil, err
		}
		m.keys[slug] = key.Key
	}
	for _, s := range library {
		limits := map[string]any{"max_api_calls_per_minute": 100_000, "max_concurrent_runs": 100}
		maps.Copy(limits, s.limits)
		body := map[string]any{"name": s.name, "type": s.kind, "status": "active", "source": m.source(s, 1), "resource_limits": limits}
		switch s.kind {
		case "http":
			body["http_path"], body["http_methods"] = "/"+s.name, []string{"GET"}
		case "event":
			body["event_types"] = []string{"soak." + s.name}
			body["retry"] = map[string]any{"max_attempts": 2, "backoff_ms": 500}
		case "scheduled":
			body["cron_expression"] = "* * * * * *"
		}
		var made struct{ ID string }
		if err := n.must(ctx, http.MethodPost, "/api/v1/scripts", m.keys[s.tenant], body, &made); err != nil {
			return nil, err
		}
		m.ids[s.name] = made.ID
	}
	// A path is served once the node's catalog has heard of it.
	for until := time.Now().Add(30 * time.Second); ; {
		status, _, _, err := n.call(ctx, http.MethodGet, "/t/hostile/deep", "", nil)
		if err == nil && status != http.StatusNotFound {
			return m, nil
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("the last endpoint is not served: %d %w", status, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (m *mix) close() { m.sink.Close() }

func (m *mix) source(s script, version int) string {
	text := strings.ReplaceAll(s.source, "SINK", m.sink.URL)
	if strings.Contains(text, "%d") {
		return fmt.Sprintf(text, version)
	}
	return strings.ReplaceAll(text, "%%", "%")
}

// run sends until ctx ends, and returns when everything that was sent is answered.
func (m *mix) run(ctx context.Context, rate float64) {
	var wg sync.WaitGroup
	wg.Go(func() { m.republish(ctx) })
	total := 0
	for _, a := range actions {
		total += a.share
	}
	begun := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		intended := begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(intended)):
		}
		if ctx.Err() != nil {
			break
		}
		pick, a := rand.IntN(total), actions[0]
		for _, a = range actions {
			if pick -= a.share; pick < 0 {
				break
			}
		}
		select {
		case m.flying <- struct{}{}:
			wg.Go(func() {
				m.act(a, intended)
				<-m.flying
			})
		default:
			m.surprise("not sent: " + a.name)
		}
	}
	wg.Wait()
}

func (m *mix) act(a action, intended time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	status, execution, text, err := a.do(ctx, m)
	took := time.Since(intended)
	if err != nil {
		m.surprise(fmt.Sprintf("%s: %v", a.name, err))
	} else if code := refusal(status, text); code != "" {
		m.refuse(code)
	} else if !slices.Contains(a.want, status) {
		m.surprise(fmt.Sprintf("%s: %d %.200s", a.name, status, text))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[a.name]++
	if m.statuses[a.name] == nil {
		m.statuses[a.name] = map[int]int{}
	}
	m.statuses[a.name][status]++
	if execution != "" && refusal(status, text) == "" {
		m.answered = append(m.answered, execution)
		if status != http.StatusOK {
			m.unlike[execution] = fmt.Sprintf("%d %.200s", status, text)
		}
	}
	if a.name == actions[0].name {
		m.window, m.all = append(m.window, took), append(m.all, took)
	}
}

// answerWithin is longer than an execution may take (30 s) and wait (5 s).
const answerWithin = time.Minute

// refusal is the code of an answer that says that nothing was run. Such an execution may have an id, but no history.
func refusal(status int, text []byte) string {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return ""
	}
	var problem struct{ Code string }
	_ = json.Unmarshal(text, &problem)
	if slices.Contains([]string{"concurrency_limit", "overloaded", "quarantined", "database_unavailable"}, problem.Code) {
		return problem.Code
	}
	return ""
}

func (m *mix) refuse(code string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[code]++
}

func (m *mix) surprise(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unexpected[what]++
}

// republish gives every script with a version in its source a new one each minute.
func (m *mix) republish(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for version := 2; ; version++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, s := range library {
			if !strings.Contains(s.source, "%d") {
				continue
			}
			if err := m.node.must(ctx, http.MethodPatch, "/api/v1/scripts/"+m.ids[s.name], m.keys[s.tenant], map[string]any{"source": m.source(s, version)}, nil); err != nil && ctx.Err() == nil {
				m.surprise("new version: " + err.Error())
			}
		}
	}
}

// latencies takes what was measured since the last time.
func (m *mix) latencies() (p50, p99 time.Duration) {
	m.mu.Lock()
	window := m.window
	m.window = nil
	m.mu.Unlock()
	return quantiles(window)
}

func quantiles(of []time.Duration) (p50, p99 time.Duration) {
	if len(of) == 0 {
		return 0, 0
	}
	slices.Sort(of)
	return of[len(of)/2], of[len(of)*99/100]
}

// settle stops the schedules, waits for the queue, and returns what is wrong with the history.
func (m *mix) settle(ctx context.Context, db *database) (wrong []string) {
	for _, s := range library {
		if s.kind != "scheduled" {
			continue
		}
		if err := m.node.must(ctx, http.MethodPatch, "/api/v1/scripts/"+m.ids[s.name], m.keys[s.tenant], map[string]any{"status": "paused"}, nil); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	open, err := -1, error(nil)
	for until := time.Now().Add(time.Minute); time.Now().Before(until) && open != 0; time.Sleep(200 * time.Millisecond) {
		if open, err = db.count(ctx, `SELECT count(*) FROM script_executions WHERE status IN ('pending', 'running')`); err != nil {
			return append(wrong, err.Error())
		}
	}
	if open != 0 {
		wrong = append(wrong, fmt.Sprintf("%d executions have no ending", open))
	}
	var missing []string
	for ids := range slices.Chunk(m.answered, 5000) {
		not, err := db.missing(ctx, ids)
		if err != nil {
			return append(wrong, err.Error())
		}
		missing = append(missing, not...)
	}
	if len(missing) > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d answered executions are not in the history, the first with answer %q", len(missing), len(m.answered), m.unlike[missing[0]]))
	}
	twice, err := db.count(ctx, `SELECT count(*) FROM (SELECT FROM script_executions WHERE scheduled_for IS NOT NULL AND attempt = 1 GROUP BY script_id, scheduled_for HAVING count(*) > 1) x`)
	if err != nil {
		wrong = append(wrong, err.Error())
	} else if twice > 0 {
		wrong = append(wrong, fmt.Sprintf("%d ticks started twice", twice))
	}
	return wrong
}
