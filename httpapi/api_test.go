package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/scheduler/cron"
)

const adminKey = "operator-key-of-the-tests"

// executor is an engine whose scripts do what a test says.
type executor struct {
	mu  sync.Mutex
	run func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error)
	got []*engine.Invocation
}

func (e *executor) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	e.mu.Lock()
	e.got = append(e.got, inv)
	run := e.run
	e.mu.Unlock()
	now := time.Now()
	res := &engine.Result{Began: true, StartedAt: now, EndedAt: now.Add(time.Millisecond), Output: json.RawMessage(`{"echo":` + string(orNull(inv.Input)) + `}`)}
	if run != nil {
		return run(ctx, inv)
	}
	return res, nil
}

func (e *executor) set(run func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run = run
}

func (e *executor) last() *engine.Invocation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got[len(e.got)-1]
}

func orNull(b json.RawMessage) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return b
}

// node is a server with the admin API on a database of its own.
type node struct {
	t      testing.TB
	pool   *pgxpool.Pool
	api    *httpapi.API
	exec   *executor
	ledger *ledger.Ledger
	server *httptest.Server
}

func nextTicks(expr, tz string, after time.Time, n int) (ticks []httpapi.Tick, err error) {
	s, err := cron.Parse(expr, tz)
	if err != nil {
		return nil, err
	}
	for _, at := range s.Upcoming(after, n) {
		ticks = append(ticks, httpapi.Tick{At: at.In(s.Location()), Shift: string(s.Shift(at))})
	}
	return ticks, nil
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, nil))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// idle takes comparisons and runs none.
type idle struct{}

func (idle) NodeID() uuid.UUID { return uuid.UUID{1} }
func (idle) Room() bool        { return true }
func (idle) Start(uuid.UUID)   {}

func startNode(t testing.TB, change ...func(*httpapi.Config)) *node {
	t.Helper()
	return startNodeOn(t, dbtest.DB(t), change...)
}

func startNodeOn(t testing.TB, pool *pgxpool.Pool, change ...func(*httpapi.Config)) *node {
	t.Helper()
	n := &node{t: t, pool: pool, exec: &executor{}}
	log := testLog(t)
	keys := newKeys(t, pool, adminKey)
	compiler, err := compile.New(compile.Config{})
	require.NoError(t, err)
	cat, err := catalog.New(catalog.Config{Pool: pool, Log: log})
	require.NoError(t, err)
	n.ledger, err = ledger.New(ledger.Config{Pool: pool, Log: log})
	require.NoError(t, err)
	ring, err := keyring.Parse(strings.Repeat("ab", 32), "")
	require.NoError(t, err)
	secrets := host.NewSecrets(pool, ring)
	cfg := httpapi.Config{
		Pool: pool, Keys: keys, Compiler: compiler, Executor: n.exec, Catalog: cat, Refresh: cat.Refresh, Ledger: n.ledger, Sealer: secrets, Rekey: func(context.Context) (int64, int64, error) { return 7, 1, nil }, SecretKeys: ring.IDs(), Secrets: secrets.Read, NextTicks: nextTicks,
		Log: log, RatePerMinute: -1, Types: []byte("declare module \"jsruntime\" {}\n"), Compare: idle{},
	}
	for _, c := range change {
		c(&cfg)
	}
	n.api, err = httpapi.New(cfg)
	require.NoError(t, err)
	router := httpapi.NewRouter(log)
	n.api.Mount(router)
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return cat.Run(ctx) })
	group.Go(func() error { return n.ledger.Run(ctx) })
	group.Go(func() error { return n.api.Run(ctx) })
	n.server = httptest.NewServer(router)
	t.Cleanup(func() {
		n.server.Close()
		cancel()
		require.NoError(t, group.Wait())
	})
	<-cat.Ready()
	return n
}

func newDB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return dbtest.DB(t)
}

func newKeys(t testing.TB, pool *pgxpool.Pool, admins ...string) *httpapi.Keys {
	t.Helper()
	keys, err := httpapi.NewKeys(httpapi.KeysConfig{DB: pool, AdminKeys: admins, Log: testLog(t)})
	require.NoError(t, err)
	return keys
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

func (a answer) json() map[string]any {
	a.t.Helper()
	var v map[string]any
	require.NoError(a.t, json.Unmarshal(a.body, &v), "%s", a.body)
	return v
}

func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	return a
}

// refused expects a problem with that status and code.
func (a answer) refused(status int, code string) map[string]any {
	a.t.Helper()
	a.is(status)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	p := a.json()
	require.Equal(a.t, code, p["code"], "%s", a.body)
	require.EqualValues(a.t, status, p["status"])
	require.NotEmpty(a.t, p["title"])
	require.NotEmpty(a.t, p["type"])
	return p
}

func (a answer) str(name string) string {
	a.t.Helper()
	s, _ := a.json()[name].(string)
	require.NotEmpty(a.t, s, "%s of %s", name, a.body)
	return s
}

func (a answer) items() []map[string]any {
	a.t.Helper()
	var page struct {
		Items []map[string]any `json:"items"`
	}
	require.NoError(a.t, json.Unmarshal(a.body, &page))
	return page.Items
}

// caller sends requests with one key.
type caller struct {
	n      *node
	key    string
	tenant string // X-Tenant
}

func (n *node) as(key string) caller { return caller{n: n, key: key} }

func (n *node) operator() caller { return n.as(adminKey) }

func (c caller) in(tenant string) caller {
	c.tenant = tenant
	return c
}

func (c caller) do(method, path string, body any, headers ...string) answer {
	c.n.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		require.NoError(c.n.t, err)
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, c.n.server.URL+path, r)
	require.NoError(c.n.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if c.tenant != "" {
		req.Header.Set("X-Tenant", c.tenant)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.n.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(c.n.t, err)
	return answer{t: c.n.t, status: res.StatusCode, header: res.Header, body: text}
}

func (c caller) get(path string) answer { c.n.t.Helper(); return c.do("GET", path, nil) }

func (c caller) post(path string, body any, headers ...string) answer {
	c.n.t.Helper()
	return c.do("POST", path, body, headers...)
}

func (c caller) patch(path string, body any, headers ...string) answer {
	c.n.t.Helper()
	return c.do("PATCH", path, body, headers...)
}

func (c caller) del(path string) answer { c.n.t.Helper(); return c.do("DELETE", path, nil) }

// tenant makes a tenant with an admin key.
func (n *node) tenant(slug string) caller {
	n.t.Helper()
	n.operator().post("/api/v1/tenants", map[string]any{"slug": slug, "name": slug}).is(201)
	return n.key(slug, "admin")
}

func (n *node) key(slug, role string) caller {
	n.t.Helper()
	return n.as(n.operator().post("/api/v1/tenants/"+slug+"/api-keys", map[string]any{"name": role, "role": role}).is(201).str("key"))
}

const runSource = "export default { async run(input: unknown) { return input } }"

// script makes a script and returns its id.
func (c caller) script(name string, with map[string]any) string {
	c.n.t.Helper()
	body := map[string]any{"name": name, "type": "oneoff", "source": runSource}
	for k, v := range with {
		body[k] = v
	}
	return c.post("/api/v1/scripts", body).is(201).str("id")
}

func fetchScript(path string) map[string]any {
	return map[string]any{
		"type": "http", "source": "export default { fetch() { return new Response('ok') } }", "http_path": path, "http_methods": []string{"GET"},
	}
}

func TestTenantsAndKeys(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	op := n.operator()

	made := op.post("/api/v1/tenants", map[string]any{"slug": "acme", "name": "Acme", "settings": map[string]any{"a": 1}}).is(201)
	require.Equal(t, "/api/v1/tenants/"+made.str("id"), made.header.Get("Location"))
	require.Equal(t, "active", made.str("status"))
	op.post("/api/v1/tenants", map[string]any{"slug": "acme", "name": "Other"}).refused(409, "slug_taken")
	op.post("/api/v1/tenants", map[string]any{"slug": "Not A Slug", "name": "Other"}).refused(422, "validation_failed")
	op.get("/api/v1/tenants/acme").is(200)
	op.get("/api/v1/tenants/" + made.str("id")).is(200)
	op.get("/api/v1/tenants/nobody").refused(404, "not_found")

	key := op.post("/api/v1/tenants/acme/api-keys", map[string]any{"name": "first", "role": "admin"}).is(201)
	require.Regexp(t, `^jsr_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}$`, key.str("key"))
	require.Equal(t, key.str("key")[:12], key.str("prefix"))
	acme := n.as(key.str("key"))
	who := acme.get("/api/v1/whoami").is(200).json()
	require.Equal(t, "admin", who["role"])
	require.Equal(t, "acme", who["tenant"].(map[string]any)["slug"])
	require.Nil(t, op.get("/api/v1/whoami").is(200).json()["tenant"])
	require.NotNil(t, op.in("acme").get("/api/v1/whoami").is(200).json()["tenant"])

	// The key of the database is a hash, and never shown again.
	list := acme.get("/api/v1/api-keys").is(200)
	require.Len(t, list.items(), 1)
	require.NotContains(t, string(list.body), key.str("key"))
	var stored string
	require.NoError(t, n.pool.QueryRow(context.Background(), "SELECT api_keys::text FROM api_keys").Scan(&stored))
	require.NotContains(t, stored, key.str("key")[13:])

	// A key that is deleted stops working at once on this node.
	second := acme.post("/api/v1/api-keys", map[string]any{"name": "second", "role": "viewer"}).is(201)
	n.as(second.str("key")).get("/api/v1/scripts").is(200)
	acme.del("/api/v1/api-keys/" + second.str("id")).is(204)
	n.as(second.str("key")).get("/api/v1/scripts").refused(401, "unauthorized")

	// What is no key, another key's secret, a key of nobody.
	for _, k := range []string{"", "x", "jsr_", key.str("key")[:13] + strings.Repeat("A", 43), "jsr_AAAAAAAA_" + strings.Repeat("A", 43)} {
		a := n.as(k).get("/api/v1/scripts")
		a.refused(401, "unauthorized")
		require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
	}
	acme.post("/api/v1/api-keys", map[string]any{"name": "late", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}).refused(422, "validation_failed")
	soon := acme.post("/api/v1/api-keys", map[string]any{"name": "soon", "role": "viewer", "expires_at": time.Now().Add(time.Hour)}).is(201)
	n.as(soon.str("key")).get("/api/v1/scripts").is(200)
	_, err := n.pool.Exec(context.Background(), "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE name = 'soon'")
	require.NoError(t, err)
	n.api.Forget("api_keys", uuid.Nil)
	n.as(soon.str("key")).get("/api/v1/scripts").refused(401, "unauthorized")

	// The superadmin says which tenant it means.
	op.get("/api/v1/scripts").refused(400, "tenant_required")
	op.in("acme").get("/api/v1/scripts").is(200)
	op.in(made.str("id")).get("/api/v1/scripts").is(200)
	op.in("nobody").get("/api/v1/scripts").refused(404, "not_found")
	n.tenant("other")
	acme.in("other").get("/api/v1/scripts").refused(403, "forbidden")
	acme.get("/api/v1/tenants").refused(403, "forbidden")

	// Suspended: read, but change and run nothing.
	id := acme.script("s", nil)
	op.patch("/api/v1/tenants/acme", map[string]any{"status": "suspended"}).is(200)
	acme.get("/api/v1/scripts").is(200)
	acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{}).refused(403, "tenant_suspended")
	acme.patch("/api/v1/scripts/"+id, map[string]any{"name": "t"}).refused(403, "tenant_suspended")
	op.patch("/api/v1/tenants/acme", map[string]any{"status": "active"}).is(200)
	acme.patch("/api/v1/scripts/"+id, map[string]any{"name": "t"}).is(200)

	op.del("/api/v1/tenants/acme").is(204)
	op.get("/api/v1/tenants/acme").refused(404, "not_found")
	acme.get("/api/v1/scripts").refused(401, "unauthorized")
}

func TestScriptLife(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	made := acme.post("/api/v1/scripts", map[string]any{
		"name": "hello", "type": "http", "source": "export default { fetch() { return new Response('1') } }", "http_path": "/hello/:name",
		"http_methods": []string{"GET", "POST"}, "resource_limits": map[string]any{"max_memory_bytes": 33554432}, "tags": []string{"a", "b"},
		"metadata": map[string]any{"x": map[string]any{"y": 1}}, "status": "active",
	}).is(201)
	id := made.str("id")
	require.Equal(t, "/api/v1/scripts/"+id, made.header.Get("Location"))
	s := made.json()
	require.EqualValues(t, 1, s["version"])
	require.EqualValues(t, 33554432, s["effective_limits"].(map[string]any)["max_memory_bytes"])
	require.EqualValues(t, 30000, s["effective_limits"].(map[string]any)["max_execution_time_ms"])
	require.Len(t, acme.get("/api/v1/http-endpoints").items(), 1)
	require.Equal(t, true, acme.get("/api/v1/http-endpoints").items()[0]["is_active"])

	// A new source makes a version, anything else none.
	tag := made.header.Get("ETag")
	require.NotEmpty(t, tag)
	p := acme.patch("/api/v1/scripts/"+id, map[string]any{"source": "export default { fetch() { return new Response('2') } }", "change_description": "two"}, "If-Match", tag).is(200)
	require.EqualValues(t, 2, p.json()["version"])
	require.NotEqual(t, tag, p.header.Get("ETag"))
	acme.patch("/api/v1/scripts/"+id, map[string]any{"name": "x"}, "If-Match", tag).refused(412, "precondition_failed")
	p = acme.patch("/api/v1/scripts/"+id, map[string]any{"description": "d", "metadata": map[string]any{"x": map[string]any{"z": 2}}}).is(200)
	require.EqualValues(t, 2, p.json()["version"])
	require.Equal(t, map[string]any{"x": map[string]any{"y": 1.0, "z": 2.0}}, p.json()["metadata"])
	p = acme.do("PATCH", "/api/v1/scripts/"+id, `{"description":null,"metadata":null}`, "Content-Type", "application/merge-patch+json").is(200)
	require.Nil(t, p.json()["description"])
	require.Equal(t, map[string]any{}, p.json()["metadata"])

	versions := acme.get("/api/v1/scripts/" + id + "/versions").is(200).items()
	require.Len(t, versions, 2)
	require.EqualValues(t, 2, versions[0]["version_number"])
	require.Equal(t, "two", versions[0]["change_description"])
	require.Contains(t, acme.get("/api/v1/scripts/"+id+"/versions/1").is(200).str("source"), "'1'")
	diff := acme.get("/api/v1/scripts/" + id + "/versions/2/diff?against=1").is(200)
	require.Contains(t, diff.header.Get("Content-Type"), "text/x-diff")
	require.Equal(t, "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-export default { fetch() { return new Response('1') } }\n\\ No newline at end of file\n"+
		"+export default { fetch() { return new Response('2') } }\n\\ No newline at end of file\n", string(diff.body))
	require.Empty(t, acme.get("/api/v1/scripts/"+id+"/versions/2/diff?against=2").is(200).body)
	restored := acme.post("/api/v1/scripts/"+id+"/versions/1/restore", nil).is(201).json()
	require.EqualValues(t, 3, restored["version_number"])
	require.Contains(t, acme.get("/api/v1/scripts/"+id).str("source"), "'1'")
	acme.get("/api/v1/scripts/"+id+"/versions/9").refused(404, "not_found")

	// The status machine and what it does to the endpoint.
	for _, step := range []struct {
		to     string
		status int
	}{{"draft", 409}, {"paused", 200}, {"active", 200}, {"disabled", 200}, {"paused", 409}, {"active", 200}, {"archived", 200}, {"active", 409}, {"draft", 200}, {"paused", 409}} {
		a := acme.patch("/api/v1/scripts/"+id, map[string]any{"status": step.to}).is(step.status)
		if step.status == 409 {
			a.refused(409, "invalid_transition")
			continue
		}
		require.Equal(t, step.to == "active", acme.get("/api/v1/http-endpoints").items()[0]["is_active"])
	}

	// Names and paths are taken once in a tenant.
	acme.post("/api/v1/scripts", map[string]any{"name": "hello", "type": "oneoff", "source": runSource}).refused(409, "name_taken")
	other := fetchScript("/hello/:name")
	other["name"] = "other"
	acme.post("/api/v1/scripts", other).refused(409, "http_path_taken")
	other["http_path"] = "/hello/:other"
	acme.post("/api/v1/scripts", other).refused(409, "http_path_taken")
	other["http_path"] = "/%68ello/:other"
	acme.post("/api/v1/scripts", other).refused(409, "http_path_taken")
	other["http_path"], other["name"] = "/caf%C3%A9", "cafe"
	acme.post("/api/v1/scripts", other).is(201)
	other["http_path"], other["name"] = "/caf%c3%a9", "other"
	acme.post("/api/v1/scripts", other).refused(409, "http_path_taken")
	acme.del("/api/v1/scripts/" + acme.get("/api/v1/scripts?search=cafe").items()[0]["id"].(string)).is(204)

	acme.del("/api/v1/scripts/" + id).is(204)
	acme.get("/api/v1/scripts/"+id).refused(404, "not_found")
	require.Empty(t, acme.get("/api/v1/http-endpoints").items())

	audit := acme.get("/api/v1/audit-log?object_type=script&limit=200").is(200).items()
	require.Equal(t, "script.delete", audit[0]["action"])
	require.Equal(t, "script.create", audit[len(audit)-1]["action"])
}

func TestScriptRefusals(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	base := func(with map[string]any) map[string]any {
		b := map[string]any{"name": "s", "type": "oneoff", "source": runSource}
		for k, v := range with {
			if v == nil {
				delete(b, k)
				continue
			}
			b[k] = v
		}
		return b
	}
	for _, c := range []struct {
		name, code, location string
		with                 map[string]any
	}{
		{"source does not parse", "source_invalid", "source:1:18", map[string]any{"source": "export default { {"}},
		{"handler missing", "handler_missing", "body.source", map[string]any{"source": "export default { fetch() {} }"}},
		{"cron missing", "validation_failed", "body.cron_expression", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }"}},
		{"cron of another type", "validation_failed", "body.cron_expression", map[string]any{"cron_expression": "* * * * *"}},
		{"cron wrong", "validation_failed", "body.cron_expression", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "no"}},
		{"zone wrong", "validation_failed", "body.timezone", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "* * * * *", "timezone": "Mars/Olympus"}},
		{"path missing", "validation_failed", "body.http_path", map[string]any{"type": "http", "source": "export default { fetch() {} }", "http_methods": []string{"GET"}}},
		{"methods missing", "validation_failed", "body.http_methods", map[string]any{"type": "http", "source": "export default { fetch() {} }", "http_path": "/a"}},
		{"path without slash", "validation_failed", "body.http_path", map[string]any{"type": "http", "source": "export default { fetch() {} }", "http_path": "a", "http_methods": []string{"GET"}}},
		{"rest in the middle", "validation_failed", "body.http_path", map[string]any{"type": "http", "source": "export default { fetch() {} }", "http_path": "/*a/b", "http_methods": []string{"GET"}}},
		{"method unknown", "validation_failed", "body.http_methods[0]", map[string]any{"type": "http", "source": "export default { fetch() {} }", "http_path": "/a", "http_methods": []string{"BREW"}}},
		{"event type missing", "validation_failed", "body.event_types", map[string]any{"type": "event", "source": "export default { event() {} }"}},
		{"event type wrong", "validation_failed", "body.event_types[0]", map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": []string{"a..b"}}},
		{"unknown field", "validation_failed", "body.colour", map[string]any{"colour": "red"}},
		{"misspelled field", "validation_failed", "body.Name", map[string]any{"Name": "red"}},
		{"unknown limit", "validation_failed", "body.resource_limits.max_fun", map[string]any{"resource_limits": map[string]any{"max_fun": 1}}},
		{"limit beyond ceiling", "validation_failed", "body.resource_limits.max_memory_bytes", map[string]any{"resource_limits": map[string]any{"max_memory_bytes": 1 << 33}}},
		{"name too long", "validation_failed", "body.name", map[string]any{"name": strings.Repeat("x", 256)}},
		{"name missing", "validation_failed", "body", map[string]any{"name": nil}},
		{"NUL", "validation_failed", "body.name", map[string]any{"name": "a\x00b"}},
		{"organization unknown", "validation_failed", "body.organization_id", map[string]any{"organization_id": uuid.NewString()}},
	} {
		p := acme.post("/api/v1/scripts", base(c.with)).refused(422, c.code)
		errs := p["errors"].([]any)
		require.Equal(t, c.location, errs[0].(map[string]any)["location"], "%s: %v", c.name, p)
	}
	require.Empty(t, acme.get("/api/v1/scripts").items(), "nothing half-written")

	acme.do("POST", "/api/v1/scripts", `{"name":`).refused(400, "malformed_json")
	acme.do("POST", "/api/v1/scripts", "").refused(400, "malformed_json")
	acme.do("POST", "/api/v1/scripts", "{\"name\":\"\xff\"}").refused(400, "malformed_json")
	acme.do("POST", "/api/v1/scripts", `name=x`, "Content-Type", "application/x-www-form-urlencoded").refused(415, "unsupported_media_type")
	acme.do("POST", "/api/v1/scripts", `{"name":"\ud800","type":"oneoff","source":"x"}`).refused(422, "validation_failed")
	acme.do("POST", "/api/v1/organizations", `{"name":"`+strings.Repeat("x", 2<<20)+`"}`).refused(413, "body_too_large")
	acme.get("/api/v1/scripts?limit=201").refused(422, "validation_failed")
	acme.get("/api/v1/scripts?colour=red").refused(422, "validation_failed")
	acme.get("/api/v1/scripts?cursor=abc").refused(400, "invalid_cursor")
	acme.get("/api/v1/scripts?search=%00").refused(422, "validation_failed")
	acme.get("/api/v1/scripts/not-an-id").refused(404, "not_found")
	acme.get("/api/v1/nothing").refused(404, "not_found")
	acme.do("PUT", "/api/v1/scripts", "{}").refused(405, "method_not_allowed")
}

func TestRunAndInvoke(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})

	ran := acme.post("/api/v1/scripts/"+id+"/executions?wait=true", map[string]any{"input": map[string]any{"a": 1}}).is(200)
	e := ran.json()
	require.Equal(t, "completed", e["status"])
	require.Equal(t, "manual", e["trigger_type"])
	require.Equal(t, map[string]any{"echo": map[string]any{"a": 1.0}}, e["output"])
	require.Equal(t, e["id"], ran.header.Get("X-Execution-Id"))
	require.NoError(t, n.ledger.Flush(context.Background()))
	stored := acme.get("/api/v1/executions/" + ran.str("id")).is(200).json()
	for _, field := range []string{"id", "script_id", "script_name", "version", "status", "input", "output", "trigger_type", "trigger_data", "metrics", "error", "error_code"} {
		require.Equal(t, e[field], stored[field], field)
	}

	out := acme.post("/api/v1/invoke/echo", `[1,2]`).is(200).json()
	require.Equal(t, map[string]any{"echo": []any{1.0, 2.0}}, out["output"])
	require.Equal(t, engine.TriggerAPI, n.exec.last().Trigger)
	acme.do("POST", "/api/v1/invoke/echo", nil).is(200)
	acme.post("/api/v1/invoke/nobody", `1`).refused(404, "not_found")

	n.exec.set(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Code: engine.CodeException, Message: "Error: boom", Stack: "Error: boom\n at x", Began: true}, nil
	})
	p := acme.post("/api/v1/invoke/echo", `1`).refused(422, "exception")
	require.Equal(t, "Error: boom", p["detail"])
	require.NotEmpty(t, p["execution_id"])
	failed := acme.post("/api/v1/scripts/"+id+"/executions?wait=true", nil).is(200).json()
	require.Equal(t, "failed", failed["status"])
	require.Equal(t, "exception", failed["error_code"])
	n.exec.set(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Code: engine.CodeExceededWallTime, Message: "max_execution_time_ms: 30000", Began: true}, nil
	})
	acme.post("/api/v1/invoke/echo", `1`).refused(504, "exceeded_wall_time")
	n.exec.set(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		return nil, &engine.RefusedError{Code: engine.CodeConcurrencyLimit, Scope: "script", Limit: 5, RetryAfter: 2 * time.Second, Detail: "max_concurrent_runs: 5"}
	})
	a := acme.post("/api/v1/invoke/echo", `1`)
	a.refused(429, "concurrency_limit")
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.Empty(t, a.header.Get("X-Execution-Id"))
	acme.post("/api/v1/scripts/"+id+"/executions?wait=true", nil).refused(429, "concurrency_limit")
	small := acme.script("small", map[string]any{"type": "embedded", "status": "active", "resource_limits": map[string]any{"max_request_body_bytes": 2000}})
	acme.post("/api/v1/invoke/small", `"`+strings.Repeat("x", 2000)+`"`).refused(413, "body_too_large")
	n.exec.set(nil)
	require.Equal(t, map[string]any{"body_too_large": 1.0}, acme.get("/api/v1/refusals?script_id=" + small).is(200).items()[0]["reasons"])
	refused := map[string]float64{}
	total := 0.0
	for _, item := range acme.get("/api/v1/refusals?script_id=" + id).is(200).items() { // of one minute or two
		require.Equal(t, id, item["script_id"])
		require.Equal(t, "echo", item["script_name"])
		total += item["refused"].(float64)
		for code, count := range item["reasons"].(map[string]any) {
			refused[code] += count.(float64)
		}
	}
	require.Equal(t, map[string]float64{"concurrency_limit": 2}, refused)
	require.EqualValues(t, 2, total)
	require.Empty(t, acme.get("/api/v1/refusals?until=2020-01-01T00:00:00Z").is(200).items())
	require.Empty(t, n.tenant("refused-by-none").get("/api/v1/refusals").is(200).items())

	// Queued, cancelled, replayed.
	queued := acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{"input": 7}).is(202)
	require.Equal(t, "pending", queued.str("status"))
	acme.post("/api/v1/executions/"+queued.str("id")+"/cancel", nil).is(202)
	acme.post("/api/v1/executions/"+queued.str("id")+"/cancel", nil).refused(409, "already_ended")
	again := acme.post("/api/v1/executions/"+queued.str("id")+"/replay", nil).is(202).json()
	require.EqualValues(t, 7, again["input"])
	require.Equal(t, queued.str("id"), again["replay_of"])
	acme.post("/api/v1/executions/"+queued.str("id")+"/replay", map[string]any{"version": 9}).refused(422, "validation_failed")
	require.NoError(t, n.ledger.Flush(context.Background()))
	require.Len(t, acme.get("/api/v1/executions?status=cancelled").items(), 1)

	// What the script's history does not keep goes with its cancellation.
	secret := acme.post("/api/v1/scripts", map[string]any{
		"name": "secret", "type": "oneoff", "status": "active", "source": "export default { run() {} }", "history": map[string]any{"store": "none"},
	}).is(201).str("id")
	unkept := acme.post("/api/v1/scripts/"+secret+"/executions", map[string]any{"input": 7}).is(202).str("id")
	require.Equal(t, "cancelled", acme.post("/api/v1/executions/"+unkept+"/cancel", nil).is(202).str("status"))
	acme.get("/api/v1/executions/"+unkept).refused(404, "not_found")
	require.NotEmpty(t, acme.get("/api/v1/executions?script_id="+id+"&trigger_type=api").items())
	require.Empty(t, acme.get("/api/v1/executions?until=2001-01-01T00:00:00Z").items())

	// A script that has only fetch is run with the request that the input describes.
	web := fetchScript("/web")
	webID := acme.script("web", web)
	acme.post("/api/v1/scripts/"+webID+"/executions?wait=true", map[string]any{"input": map[string]any{"method": "POST", "path": "/web?x=1", "body": "hi"}}).is(200)
	require.Equal(t, "POST", n.exec.last().Request.Method)
	require.Equal(t, engine.HandlerFetch, n.exec.last().Handler)
	acme.post("/api/v1/scripts/"+webID+"/executions?wait=true", map[string]any{"input": "no request"}).refused(422, "validation_failed")

	acme.patch("/api/v1/scripts/"+id, map[string]any{"status": "archived"}).is(200)
	acme.post("/api/v1/invoke/echo", `1`).refused(409, "not_active")
	for _, status := range []string{"draft", "active", "paused", "disabled"} {
		acme.patch("/api/v1/scripts/"+id, map[string]any{"status": status}).is(200)
		if status == "active" {
			acme.post("/api/v1/invoke/echo", `1`).is(200)
			continue
		}
		refused := acme.post("/api/v1/invoke/echo", `1`).refused(409, "not_active")
		require.Contains(t, refused["detail"], status)
	}
}

func TestServiceRoutes(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	nobody := n.as("")
	nobody.get("/healthz").is(200)
	nobody.get("/readyz").is(200)
	require.Equal(t, "3.1.0", nobody.get("/openapi.json").is(200).json()["openapi"])
	page := nobody.get("/docs").is(200)
	require.Contains(t, page.header.Get("Content-Type"), "text/html")
	require.Contains(t, string(page.body), "jsruntime docs")
	require.Contains(t, string(nobody.get("/docs/reference/scripts").is(200).body), "/api/v1/scripts/{id}")
	require.Contains(t, string(nobody.get("/docs/errors").is(200).body), `id="precondition_failed"`)
	nobody.get("/docs/nothing").is(404)
	require.Contains(t, string(nobody.get("/jsruntime.d.ts").is(200).body), "declare module")
}

func TestReadinessWithAndWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	var away, stopping, unable atomic.Bool
	n := startNode(t, func(c *httpapi.Config) {
		c.Ping = func(context.Context) error {
			if away.Load() {
				return errors.New("the database is away")
			}
			return nil
		}
		c.Able = func() bool { return !unable.Load() }
		c.Ready = func(context.Context) error {
			if stopping.Load() {
				return errors.New("the node is stopping")
			}
			return nil
		}
	})
	nobody := n.as("")
	nobody.get("/readyz").is(200)
	nobody.get("/readyz?exclude=database").is(200)
	away.Store(true)
	nobody.get("/readyz").refused(503, "database_unavailable")
	nobody.get("/readyz?exclude=nonsense").refused(503, "database_unavailable")
	nobody.get("/readyz?exclude=database").is(200)
	nobody.get("/readyz?exclude=nonsense&exclude=database").is(200)
	nobody.do("HEAD", "/readyz?exclude=database", nil).is(200)
	nobody.get("/healthz").is(200)
	unable.Store(true)
	nobody.get("/readyz?exclude=database").refused(503, "not_ready")
	nobody.get("/readyz?exclude=database&exclude=workers").is(200)
	nobody.get("/readyz?exclude=workers").refused(503, "database_unavailable")
	nobody.get("/healthz").is(200)
	unable.Store(false)
	stopping.Store(true)
	nobody.get("/readyz?exclude=database").refused(503, "not_ready")
	away.Store(false)
	nobody.get("/readyz").refused(503, "not_ready")
}

func TestReadinessDoesNotWaitBehindRequests(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	other, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	require.NoError(t, err)
	defer other.Close()
	n := startNodeOn(t, pool, func(c *httpapi.Config) { c.Ping = other.Ping })
	for range pool.Config().MaxConns {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
	}
	n.as("").get("/readyz").is(200)
}
