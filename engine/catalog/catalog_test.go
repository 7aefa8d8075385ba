package catalog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/migrations/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is a generous bound on what takes milliseconds.
const soon = 20 * time.Second

type world struct {
	t  testing.TB
	db *pgxpool.Pool
}

func (w world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(context.Background(), sql, args...)
	require.NoError(w.t, err, sql)
}

func (w world) id(sql string, args ...any) (id uuid.UUID) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(context.Background(), sql, args...).Scan(&id), sql)
	return id
}

func (w world) tenant(slug string) uuid.UUID {
	return w.id(`WITH t AS (INSERT INTO tenants (slug, name) VALUES ($1, $1) RETURNING id),
		o AS (INSERT INTO organizations (tenant_id, name, is_default) SELECT id, 'default', true FROM t) SELECT id FROM t`, slug)
}

func (w world) script(tenant uuid.UUID, name, kind string) uuid.UUID {
	return w.id(`WITH s AS (INSERT INTO scripts (tenant_id, organization_id, name, source, type, status)
			SELECT $1, id, $2, 'x', $3, 'active' FROM organizations WHERE tenant_id = $1 RETURNING id, tenant_id),
		v AS (INSERT INTO script_versions (script_id, tenant_id, version_number, source, compiled, source_map, handlers)
			SELECT id, tenant_id, 1, 'x', 'compiled 1', 'map', '{fetch}' FROM s)
		SELECT id FROM s`, tenant, name, kind)
}

func (w world) endpoint(tenant uuid.UUID, path string, methods ...string) uuid.UUID {
	id := w.script(tenant, "at "+path, "http")
	w.exec("INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods) VALUES ($1, $2, $3, $4)", id, tenant, path, methods)
	return id
}

func start(t testing.TB, cfg catalog.Config) *catalog.Catalog {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	c, err := catalog.New(cfg)
	require.NoError(t, err)
	if cfg.Listener != nil {
		ctx, cancel := context.WithCancel(context.Background())
		var listening sync.WaitGroup
		listening.Go(func() { _ = cfg.Listener.Run(ctx) })
		t.Cleanup(func() {
			cancel()
			listening.Wait()
		})
	}
	run(t, c)
	return c
}

// listener returns a listener that start runs.
func (w world) listener() *cluster.Listener {
	w.t.Helper()
	listener, err := cluster.NewListener(w.db, slog.New(slog.DiscardHandler))
	require.NoError(w.t, err)
	return listener
}

func run(t testing.TB, c *catalog.Catalog) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	select {
	case <-c.Ready():
	case <-time.After(soon):
		t.Fatal("catalog is not ready")
	}
}

func TestMostSpecificPatternWins(t *testing.T) {
	t.Parallel()
	w := world{t, dbtest.DB(t)}
	acme, other := w.tenant("acme"), w.tenant("other")
	for _, path := range []string{
		"/", "/orders", "/orders/", "/orders/latest", "/orders/:id", "/orders/:id/items", "/orders/:id/items/:item", "/orders/*rest",
		"/files/*path", "/:section/about", "/static/:a/x", "/static/b/:c", "/a b", "/:section/about/*more",
	} {
		w.endpoint(acme, path, "GET")
	}
	w.endpoint(other, "/mine", "GET")
	c := start(t, catalog.Config{Pool: w.db})

	cases := []struct {
		path, pattern string
		params        map[string]string
	}{
		{"/", "/", nil},
		{"/orders", "/orders", nil},
		{"/orders/", "/orders/", nil},
		{"/orders/latest", "/orders/latest", nil},
		{"/orders/7", "/orders/:id", map[string]string{"id": "7"}},
		{"/orders/a%2Fb", "/orders/:id", map[string]string{"id": "a/b"}},
		{"/orders/l%61test", "/orders/latest", nil},
		{"/orders/100%", "/orders/:id", map[string]string{"id": "100%"}},
		{"/orders/%41%4%zz%", "/orders/:id", map[string]string{"id": "A%4%zz%"}},
		{"/orders/7/items", "/orders/:id/items", map[string]string{"id": "7"}},
		{"/orders/7/items/9", "/orders/:id/items/:item", map[string]string{"id": "7", "item": "9"}},
		{"/orders/7/other", "/orders/*rest", map[string]string{"rest": "7/other"}},
		{"/orders/latest/x", "/orders/*rest", map[string]string{"rest": "latest/x"}},
		{"/files/", "/files/*path", map[string]string{"path": ""}},
		{"/files/a//b/", "/files/*path", map[string]string{"path": "a//b/"}},
		{"/x/about", "/:section/about", map[string]string{"section": "x"}},
		{"/x/about/", "/:section/about/*more", map[string]string{"section": "x", "more": ""}},
		{"/static/b/x", "/static/b/:c", map[string]string{"c": "x"}},
		{"/static/z/x", "/static/:a/x", map[string]string{"a": "z"}},
		{"/a%20b", "/a b", nil},
		{"/files", "/files/*path", map[string]string{"path": ""}},
		{"//about", "", nil}, // a parameter is never empty
		{"/nothing", "", nil},
		{"/mine", "", nil},
		{"/orders%2F7", "", nil},
		{"/%zz", "", nil},
		{"", "", nil},
	}
	for _, tc := range cases {
		got, err := c.Route("acme", "GET", tc.path)
		if tc.pattern == "" {
			require.ErrorIs(t, err, catalog.ErrNoRoute, tc.path)
			continue
		}
		require.NoError(t, err, tc.path)
		require.Equal(t, tc.pattern, got.Endpoint.Pattern, tc.path)
		require.Equal(t, tc.params, got.Params, tc.path)
		require.Equal(t, acme, got.Endpoint.TenantID)
	}
	_, err := c.Route("nobody", "GET", "/")
	require.ErrorIs(t, err, catalog.ErrTenantUnknown)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := world{t, dbtest.DB(t)}
	acme := w.tenant("acme")
	w.endpoint(acme, "/get", "GET")
	cors := w.endpoint(acme, "/post", "post", "PUT")
	w.exec(`UPDATE scripts SET http = '{"auth": {"type": "api_key"}, "cors": {"origins": "https://a.example", "max_age_seconds": 60}}' WHERE id = $1`, cors)
	w.endpoint(acme, "/any", "*")
	older := w.endpoint(acme, "/same/:a", "GET")
	w.exec("UPDATE script_http_endpoints SET created_at = now() - interval '1 day' WHERE script_id = $1", older)
	w.endpoint(acme, "/same/:b", "GET", "POST")
	c := start(t, catalog.Config{Pool: w.db})

	for _, method := range []string{"GET", "HEAD"} {
		_, err := c.Route("acme", method, "/get")
		require.NoError(t, err)
	}
	var refused *catalog.MethodError
	_, err := c.Route("acme", "POST", "/get")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "GET, HEAD", refused.Allow)
	_, err = c.Route("acme", "OPTIONS", "/get")
	require.ErrorAs(t, err, &refused)

	m, err := c.Route("acme", "OPTIONS", "/post")
	require.NoError(t, err)
	require.True(t, m.Preflight)
	require.True(t, m.Endpoint.CORS.Allows("https://a.example"))
	require.False(t, m.Endpoint.CORS.Allows("https://b.example"))
	require.Equal(t, time.Minute, m.Endpoint.CORS.MaxAge)
	require.Equal(t, catalog.AuthAPIKey, m.Endpoint.Auth)
	m, err = c.Route("acme", "POST", "/post")
	require.NoError(t, err)
	require.False(t, m.Preflight)
	_, err = c.Route("acme", "GET", "/post")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "OPTIONS, POST, PUT", refused.Allow)

	m, err = c.Route("acme", "OPTIONS", "/any")
	require.NoError(t, err)
	require.False(t, m.Preflight, "the script takes it itself")

	m, err = c.Route("acme", "GET", "/same/1")
	require.NoError(t, err)
	require.Equal(t, older, m.Endpoint.ScriptID)
	require.Equal(t, map[string]string{"a": "1"}, m.Params)
	m, err = c.Route("acme", "POST", "/same/1")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"b": "1"}, m.Params)
}

// Two catalogs stand for two nodes: what is committed is known to both, by notification, and without.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	for name, poll := range map[string]time.Duration{"notified": time.Hour, "polling": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{t, dbtest.DB(t)}
			var nodes []*catalog.Catalog
			for range 2 {
				cfg := catalog.Config{Pool: w.db, Poll: poll}
				if name == "notified" {
					cfg.Listener = w.listener()
				}
				nodes = append(nodes, start(t, cfg))
			}
			everywhere := func(what string, true_ func(c *catalog.Catalog) bool) {
				t.Helper()
				for _, c := range nodes {
					require.Eventually(t, func() bool { return true_(c) }, soon, time.Millisecond, what)
				}
			}
			routed := func(slug, path string) func(c *catalog.Catalog) bool {
				return func(c *catalog.Catalog) bool { _, err := c.Route(slug, "GET", path); return err == nil }
			}
			fails := func(slug, path string, want error) func(c *catalog.Catalog) bool {
				return func(c *catalog.Catalog) bool { _, err := c.Route(slug, "GET", path); return err == want }
			}

			acme := w.tenant("acme")
			id := w.endpoint(acme, "/a", "GET")
			everywhere("new endpoint", routed("acme", "/a"))

			w.exec("UPDATE script_http_endpoints SET http_path = '/:moved' WHERE script_id = $1", id)
			everywhere("moved", func(c *catalog.Catalog) bool {
				m, err := c.Route("acme", "GET", "/a")
				return err == nil && m.Params["moved"] == "a"
			})
			w.exec("UPDATE script_http_endpoints SET http_path = '/b' WHERE script_id = $1", id)
			everywhere("moved back", fails("acme", "/a", catalog.ErrNoRoute))
			everywhere("moved back", routed("acme", "/b"))

			w.exec("INSERT INTO script_versions (script_id, tenant_id, version_number, source, compiled) VALUES ($1, $2, 2, 'y', 'compiled 2')", id, acme)
			w.exec(`UPDATE scripts SET version = 2, resource_limits = '{"max_concurrent_runs": 9}' WHERE id = $1`, id)
			everywhere("new version", func(c *catalog.Catalog) bool {
				m, err := c.Route("acme", "GET", "/b")
				s, errScript := c.Script(context.Background(), acme, id, 0)
				return err == nil && errScript == nil && m.Endpoint.Version == 2 && m.Endpoint.Limits.MaxConcurrentRuns == 9 &&
					s.Compiled == "compiled 2" && s.Limits.MaxConcurrentRuns == 9
			})

			w.exec("UPDATE scripts SET status = 'paused' WHERE id = $1", id)
			everywhere("paused", fails("acme", "/b", catalog.ErrNoRoute))
			w.exec("UPDATE scripts SET status = 'active' WHERE id = $1", id)
			everywhere("active", routed("acme", "/b"))

			w.exec("UPDATE tenants SET status = 'suspended' WHERE id = $1", acme)
			everywhere("suspended", fails("acme", "/b", catalog.ErrTenantSuspended))
			w.exec("UPDATE tenants SET status = 'active', slug = 'acme2' WHERE id = $1", acme)
			everywhere("renamed", routed("acme2", "/b"))
			everywhere("renamed", fails("acme", "/b", catalog.ErrTenantUnknown))
			for _, c := range nodes {
				m, err := c.Route("acme2", "GET", "/b")
				require.NoError(t, err)
				require.Equal(t, "acme2", m.Endpoint.TenantSlug)
			}

			w.exec("DELETE FROM scripts WHERE id = $1", id)
			everywhere("deleted", fails("acme2", "/b", catalog.ErrNoRoute))
			everywhere("deleted", func(c *catalog.Catalog) bool {
				_, err := c.Script(context.Background(), acme, id, 0)
				return err == catalog.ErrScriptUnknown
			})
			w.exec("DELETE FROM organizations WHERE tenant_id = $1", acme)
			w.exec("DELETE FROM tenants WHERE id = $1", acme)
			everywhere("tenant deleted", fails("acme2", "/b", catalog.ErrTenantUnknown))
			everywhere("tenant deleted", func(c *catalog.Catalog) bool { _, err := c.Tenant(acme); return err == catalog.ErrTenantUnknown })
		})
	}
}

// A transaction that took its ids early and commits late is not passed over.
func TestLateCommitIsSeen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := world{t, dbtest.DB(t)}
	acme := w.tenant("acme")
	c := start(t, catalog.Config{Pool: w.db, Poll: 20 * time.Millisecond})
	early, err := w.db.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = early.Rollback(ctx) }()
	_, err = early.Exec(ctx, "UPDATE tenants SET status = 'suspended' WHERE id = $1", acme)
	require.NoError(t, err)
	// Later changes are committed and read before it.
	w.tenant("later")
	require.Eventually(t, func() bool { _, err := c.TenantBySlug("later"); return err == nil }, soon, time.Millisecond)
	w.tenant("latest")
	require.Eventually(t, func() bool { _, err := c.TenantBySlug("latest"); return err == nil }, soon, time.Millisecond)
	require.NoError(t, early.Commit(ctx))
	require.Eventually(t, func() bool { tenant, err := c.Tenant(acme); return err == nil && tenant.Suspended }, soon, time.Millisecond)
}

func TestLostConnectionIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := world{t, dbtest.DB(t)}
	acme := w.tenant("acme")
	var heard atomic.Int64
	listener := w.listener()
	listener.Subscribe("other", func(string) { heard.Add(1) })
	c := start(t, catalog.Config{Pool: w.db, Poll: time.Hour, Listener: listener})
	require.Eventually(t, func() bool { return heard.Load() == 1 }, soon, time.Millisecond, "told after connecting")
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'jsruntime listen'")
	require.Eventually(t, func() bool { return heard.Load() == 2 }, soon, time.Millisecond)
	w.exec("SELECT pg_notify('other', 'x')")
	require.Eventually(t, func() bool { return heard.Load() == 3 }, soon, time.Millisecond)
	w.endpoint(acme, "/after", "GET")
	require.Eventually(t, func() bool { _, err := c.Route("acme", "GET", "/after"); return err == nil }, soon, time.Millisecond)
}

func TestHooks(t *testing.T) {
	t.Parallel()
	w := world{t, dbtest.DB(t)}
	acme := w.tenant("acme")
	c, err := catalog.New(catalog.Config{Pool: w.db, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var mu sync.Mutex
	tenants, changes := map[uuid.UUID]int{}, map[catalog.Change]int{}
	suspendedWhenTold := false
	c.OnTenantChange(func(id uuid.UUID) {
		mu.Lock()
		defer mu.Unlock()
		tenants[id]++
		if tenant, err := c.Tenant(id); err == nil && tenant.Suspended {
			suspendedWhenTold = true
		}
	})
	c.OnChange(func(change catalog.Change) { mu.Lock(); defer mu.Unlock(); changes[change]++ })
	run(t, c)
	told := func(change catalog.Change) bool { mu.Lock(); defer mu.Unlock(); return changes[change] > 0 }
	require.True(t, told(catalog.Change{}), "after loading")

	w.exec("INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext) VALUES ($1, 'A', '', '')", acme)
	require.Eventually(t, func() bool { return told(catalog.Change{Table: "script_secrets", TenantID: acme}) }, soon, time.Millisecond)
	id := w.script(acme, "s", "embedded")
	require.Eventually(t, func() bool { return told(catalog.Change{Table: "scripts", TenantID: acme, ScriptID: id}) }, soon, time.Millisecond)
	w.exec("INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression) VALUES ($1, $2, '* * * * *')", id, acme)
	require.Eventually(t, func() bool { return told(catalog.Change{Table: "script_scheduled_jobs", TenantID: acme, ScriptID: id}) }, soon, time.Millisecond)
	w.exec("UPDATE tenants SET status = 'suspended' WHERE id = $1", acme)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return suspendedWhenTold }, soon, time.Millisecond, "the catalog itself follows first")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 1, tenants[uuid.Nil])
	require.GreaterOrEqual(t, tenants[acme], 2)
}

func TestScript(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := world{t, dbtest.DB(t)}
	acme, other := w.tenant("acme"), w.tenant("other")
	id := w.script(acme, "mail", "embedded")
	w.exec("INSERT INTO script_versions (script_id, tenant_id, version_number, source, compiled) VALUES ($1, $2, 2, 'y', 'compiled 2')", id, acme)
	w.exec("UPDATE scripts SET version = 2 WHERE id = $1", id)
	c := start(t, catalog.Config{Pool: w.db})

	newest, err := c.Script(ctx, acme, id, 0)
	require.NoError(t, err)
	again, err := c.ScriptByName(ctx, acme, "mail")
	require.NoError(t, err)
	require.Same(t, newest, again)
	first, err := c.Script(ctx, acme, id, 1)
	require.NoError(t, err)
	require.Equal(t, &engine.Script{
		ID: id, TenantID: acme, TenantSlug: "acme", OrganizationID: first.OrganizationID, Name: "mail", Type: "embedded", Version: 1,
		Compiled: "compiled 1", SourceMap: "map", Handlers: []string{"fetch"}, Limits: engine.DefaultLimits(), Place: first.Place,
	}, first)
	require.NotEqual(t, uuid.Nil, first.Place, "it lives beside the live version")
	require.Equal(t, "compiled 2", newest.Compiled)

	for _, missing := range []func() error{
		func() error { _, err := c.Script(ctx, other, id, 0); return err },
		func() error { _, err := c.Script(ctx, acme, id, 3); return err },
		func() error { _, err := c.Script(ctx, acme, uuid.New(), 0); return err },
		func() error { _, err := c.ScriptByName(ctx, other, "mail"); return err },
		func() error { _, err := c.ScriptByName(ctx, acme, "none"); return err },
	} {
		require.ErrorIs(t, missing(), catalog.ErrScriptUnknown)
	}

	// A name that moves to another script.
	w.exec("UPDATE scripts SET name = 'mail-old' WHERE id = $1", id)
	moved := w.script(acme, "mail", "embedded")
	require.NoError(t, c.Refresh(ctx))
	got, err := c.ScriptByName(ctx, acme, "mail")
	require.NoError(t, err)
	require.Equal(t, moved, got.ID)
	got, err = c.ScriptByName(ctx, acme, "mail-old")
	require.NoError(t, err)
	require.Equal(t, id, got.ID)
}

func TestHTTPOf(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"auth": {"type": "apikey"}}`:              `http.auth.type: "apikey" is none of`,
		`{"auth": {}}`:                              `http.auth.type: "" is none of`,
		`{"auth": "api_key"}`:                       "http: json",
		`{"auht": {"type": "api_key"}}`:             `unknown field "auht"`,
		`{"auth": {"typ": "api_key"}}`:              `unknown field "typ"`,
		`{"cors": {"origin": "*"}}`:                 `http.cors: json: unknown field "origin"`,
		`{"cors": {"origins": ["a,b"]}}`:            "cannot stand in a header",
		`{"cors": {"origins": ["https://a\r\nx"]}}`: "cannot stand in a header",
		`{"cors": {"credentials": true}}`:           "need origins that are named",
		`{"cors": {"max_age_seconds": -1}}`:         "max_age_seconds",
		`[5]`:                                       "http",
	} {
		options, err := catalog.HTTPOf(json.RawMessage(raw))
		require.ErrorContains(t, err, want, raw)
		require.Equal(t, catalog.HTTPOptions{Auth: catalog.AuthAPIKey}, options, "the stricter reading of %s", raw)
	}
	options, err := catalog.HTTPOf(json.RawMessage(`{"cors": true}`))
	require.NoError(t, err)
	require.Equal(t, catalog.HTTPOptions{Auth: catalog.AuthNone, CORS: &catalog.CORS{Origins: []string{"*"}}}, options)
}

// many makes n endpoints of one tenant: static ones, and a hundredth with a parameter.
func many(w world, tenant uuid.UUID, n int) {
	w.exec(`ALTER TABLE scripts DISABLE TRIGGER tr_scripts_changed`)
	w.exec(`ALTER TABLE script_http_endpoints DISABLE TRIGGER tr_endpoints_changed`)
	w.exec(`WITH s AS (INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, http_path)
			SELECT $1, o.id, 'n' || i, 'x', 'http', 'active', CASE i % 100 WHEN 0 THEN '/p' || i || '/:id' ELSE '/n' || i END
			FROM organizations o, generate_series(1, $2::int) i WHERE o.tenant_id = $1 RETURNING id, tenant_id, http_path)
		INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods) SELECT id, tenant_id, http_path, '{GET}' FROM s`, tenant, n)
	w.exec(`ALTER TABLE scripts ENABLE TRIGGER tr_scripts_changed`)
	w.exec(`ALTER TABLE script_http_endpoints ENABLE TRIGGER tr_endpoints_changed`)
}

// Large tenants' paths lie in shards; one that grows into them, and changes afterwards, stays right.
func TestLargeTenant(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := world{t, dbtest.DB(t)}
	acme := w.tenant("acme")
	w.endpoint(acme, "/first", "GET")
	c := start(t, catalog.Config{Pool: w.db, Poll: time.Hour})
	many(w, acme, 1500) // unannounced
	next := w.endpoint(acme, "/next", "GET")
	w.exec("UPDATE scripts SET revision = 2 WHERE name LIKE 'n%'")
	require.NoError(t, c.Refresh(ctx))
	check := func(paths map[string]bool) {
		t.Helper()
		for path, there := range paths {
			_, err := c.Route("acme", "GET", path)
			require.Equal(t, there, err == nil, path)
		}
	}
	check(map[string]bool{"/first": true, "/next": true, "/n1": true, "/n1499": true, "/p100/x": true, "/p1500/x": true, "/n100": false, "/n1501": false})
	w.exec("UPDATE script_http_endpoints SET http_path = '/n1' || http_path WHERE script_id = $1", next)
	w.exec("DELETE FROM scripts WHERE name IN ('n7', 'n100')")
	require.NoError(t, c.Refresh(ctx))
	check(map[string]bool{"/next": false, "/n1/next": true, "/n1": true, "/n7": false, "/n8": true, "/p100/x": false, "/p200/x": true})
}

func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		w := world{b, dbtest.DB(b)}
		acme := w.tenant("acme")
		many(w, acme, n)
		started := time.Now()
		c := start(b, catalog.Config{Pool: w.db})
		loaded := time.Since(started)
		for kind, path := range map[string]string{"static": "/n99", "param": "/p100/7"} {
			b.Run(fmt.Sprintf("%s/endpoints=%d", kind, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Route("acme", "GET", path); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("change/endpoints=%d", n), func(b *testing.B) {
			id := w.id("SELECT script_id FROM script_http_endpoints WHERE http_path = '/n99'")
			for b.Loop() {
				w.exec("UPDATE scripts SET revision = revision + 1 WHERE id = $1", id)
				if err := c.Refresh(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(loaded.Milliseconds()), "load-ms")
		})
	}
}

func BenchmarkScript(b *testing.B) {
	w := world{b, dbtest.DB(b)}
	acme := w.tenant("acme")
	id := w.script(acme, "s", "http")
	c := start(b, catalog.Config{Pool: w.db})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Script(context.Background(), acme, id, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParamsAndPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, path string
		params        map[string]string
	}{
		{"/users/:id/*rest", "/users/42/a/b", map[string]string{"id": "42", "rest": "a/b"}},
		{"/users/:id/*rest", "/users/a%2Fb%20c/d%20e/f", map[string]string{"id": "a/b c", "rest": "d e/f"}},
		{"/static", "/static", nil},
		{"/:a", "/100%25", map[string]string{"a": "100%"}},
	} {
		params, ok := catalog.Params(c.pattern, c.path)
		require.True(t, ok, c.pattern)
		require.Equal(t, c.params, params, c.pattern)
		path, ok := catalog.Path(c.pattern, c.params)
		require.True(t, ok, c.pattern)
		require.Equal(t, c.path, path)
	}
	_, ok := catalog.Params("/users/:id", "/users")
	require.False(t, ok)
	_, ok = catalog.Path("/users/:id", map[string]string{"name": "x"})
	require.False(t, ok)
}
