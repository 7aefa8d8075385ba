package httpapi_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

// bigTenants share the rows of a big database; the first has half of them.
const bigTenants = 10

// fillBig makes scripts and executions by the million, in about 30 s for a million executions: foreign keys and indexes come
// after the rows.
func fillBig(tb testing.TB, pool *pgxpool.Pool, scripts, executions int) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pool.Acquire(ctx)
	require.NoError(tb, err)
	defer conn.Release()
	run := func(sql string, args ...any) {
		tb.Helper()
		_, err := conn.Exec(ctx, sql, args...)
		require.NoError(tb, err, sql)
	}
	rows, err := conn.Query(ctx, `SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ('scripts', 'script_executions')
		AND indexname NOT IN (SELECT conname FROM pg_constraint)`)
	require.NoError(tb, err)
	type index struct{ Name, Definition string }
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	require.NoError(tb, err)
	dbtest.PastDays(tb, conn, executions/86_400+1, "script_executions")
	run("SET session_replication_role = replica") // no foreign keys, no notifications
	for _, i := range indexes {
		run("DROP INDEX " + i.Name)
	}
	run(`INSERT INTO scripts (id, tenant_id, organization_id, name, source, type, status, tags, created_at)
		SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, t.id, o.id, 'script ' || n, 'export default { run() { return ' || n || ' } }', 'oneoff',
			(ARRAY['draft', 'active', 'paused', 'disabled', 'archived'])[1 + n % 5], ARRAY['tag' || n % 100], now() - n * interval '1 second'
		FROM generate_series(1, $1::int) n
		JOIN (SELECT id, row_number() OVER (ORDER BY slug) - 1 AS i FROM tenants) t ON t.i = CASE WHEN n % 2 = 0 THEN 0 ELSE n % $2 END
		JOIN organizations o ON o.tenant_id = t.id`, scripts, bigTenants)
	run(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, output, metrics, started_at, completed_at, queued_at, version,
			error_code, error, http_status)
		SELECT (substr(jsruntime_id_floor(now() - n * interval '1 second')::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, s.id, s.tenant_id,
			CASE WHEN n % 1000 = 0 THEN 'failed' WHEN n % 5000 = 1 THEN 'timeout' ELSE 'completed' END,
			(ARRAY['http', 'http', 'http', 'http', 'http', 'http', 'api', 'event', 'cron', 'manual'])[1 + n % 10],
			CASE WHEN n % 10 < 6 THEN jsonb_build_object('method', 'GET', 'path', '/orders/' || n) ELSE '{}' END, '{"a": 1}', '{"b": 2}', '{"duration_ms": 1.5}',
			now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second', 1,
			CASE WHEN n % 1000 = 0 THEN 'exception' WHEN n % 5000 = 1 THEN 'exceeded_wall_time' END,
			CASE WHEN n % 1000 = 0 THEN 'order ' || n || ' has no customer' WHEN n % 5000 = 1 THEN 'wall time: limit 30 s' END,
			CASE WHEN n % 10 >= 6 THEN NULL WHEN n % 1000 = 0 THEN 500 WHEN n % 5000 = 1 THEN 504 WHEN n % 100 = 3 THEN 404 ELSE 200 END
		FROM generate_series(1, $1::int) n JOIN scripts s ON s.id = ('00000000-0000-7000-8000-' || lpad((1 + n % $2)::text, 12, '0'))::uuid`, executions, scripts)
	for _, i := range indexes {
		run(strings.Replace(i.Definition, " ON ONLY ", " ON ", 1))
	}
	fillRest(run, scripts)
	run("RESET session_replication_role")
	run("ANALYZE")
}

// fillRest makes what other lists show, for each tenant as many as it has scripts: endpoints, schedules, dead letters, events, keys of kv, entries of the
// audit log, and a quarter of a year of usage of every tenth script.
func fillRest(run func(sql string, args ...any), scripts int) {
	run(`INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods) SELECT s.id, s.tenant_id, '/' || s.id, ARRAY['GET'] FROM scripts s`)
	run(`INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, next_run_at) SELECT s.id, s.tenant_id, '0 4 * * *', now() + random() * interval '1 day' FROM scripts s`)
	run(`INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type) SELECT s.id, s.tenant_id, 'order.' || s.name FROM scripts s`)
	run(`INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error, error_code, created_at)
		SELECT s.id, s.tenant_id, 'order.paid', '{"a": 1}', 'order has no customer', 'exception', now() - random() * interval '30 days' FROM scripts s`)
	run(`INSERT INTO script_events (tenant_id, id, type, data, published_at) SELECT s.tenant_id, s.id::text, 'order.paid', '{"a": 1}', now() - random() * interval '30 days' FROM scripts s`)
	run(`INSERT INTO script_kv (tenant_id, key, value, size_bytes) SELECT s.tenant_id, 'cart/' || s.id, '{"items": []}', 13 FROM scripts s`)
	run(`INSERT INTO audit_log (id, tenant_id, actor_name, actor_role, action, object_type, object_id, after, created_at)
		SELECT gen_random_uuid(), s.tenant_id, 'ci', 'developer', 'script.update', 'script', s.id::text, '{"name": "x"}', now() - random() * interval '90 days' FROM scripts s`)
	run(`INSERT INTO script_usage_daily (tenant_id, script_id, day, outcome, executions, cpu_ms, duration_ms)
		SELECT s.tenant_id, s.id, d::date, o, 100, 200, 300 FROM scripts s CROSS JOIN generate_series(now() - interval '90 days', now(), interval '1 day') d
		CROSS JOIN unnest(ARRAY['completed', 'exception']) o WHERE right(s.id::text, 1) = '7'`)
	run(`INSERT INTO tenant_usage_daily (tenant_id, day, executions, cpu_ms, egress_bytes)
		SELECT u.tenant_id, u.day, sum(u.executions), sum(u.cpu_ms), 0 FROM script_usage_daily u GROUP BY u.tenant_id, u.day`)
}

// recorded is a statement as the API sent it.
type recorded struct {
	sql  string
	args []any
}

// listener notes the statements of a pool while it is on.
type listener struct {
	mu  sync.Mutex
	on  bool
	got []recorded
}

func (l *listener) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on {
		l.got = append(l.got, recorded{data.SQL, data.Args})
	}
	return ctx
}

func (l *listener) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (l *listener) during(f func()) []recorded {
	l.mu.Lock()
	l.on, l.got = true, nil
	l.mu.Unlock()
	f()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = false
	return slices.Clone(l.got)
}

// bigNode is a node on a big database.
func bigNode(tb testing.TB, scripts, executions int) (*node, caller, *listener) {
	tb.Helper()
	l := &listener{}
	filled := os.Getenv("BENCH_DATABASE_URL")
	url, kept := filled, os.Getenv("BENCH_KEEP")
	switch {
	case filled != "":
	case kept != "":
		var made bool
		if url, made = dbtest.Kept(tb, kept); !made {
			filled = url
		}
	default:
		url = dbtest.URL(tb)
	}
	cfg, err := pgxpool.ParseConfig(url)
	require.NoError(tb, err)
	cfg.ConnConfig.Tracer = l
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	n := startNodeOn(tb, pool)
	if filled != "" {
		return n, n.key("tenant-0", "admin"), l
	}
	first := n.tenant("tenant-0")
	for i := 1; i < bigTenants; i++ {
		n.operator().post("/api/v1/tenants", map[string]any{"slug": fmt.Sprintf("tenant-%d", i), "name": "t"}).is(201)
	}
	fillBig(tb, pool, scripts, executions)
	return n, first, l
}

// bigQueries are lists with every filter and some together, and single objects.
func bigQueries(script, execution string) []string {
	since := time.Now().Add(-72 * time.Hour).UTC().Format(time.RFC3339)
	return []string{
		"/api/v1/executions", "/api/v1/executions?status=completed", "/api/v1/executions?status=failed", "/api/v1/executions?status=timeout", "/api/v1/executions?status=pending",
		"/api/v1/executions?trigger_type=http", "/api/v1/executions?trigger_type=event", "/api/v1/executions?trigger_type=manual", "/api/v1/executions?script_id=" + script, "/api/v1/executions?script_id=" + script + "&status=failed",
		"/api/v1/executions?since=" + since, "/api/v1/executions?until=" + since + "&limit=200", "/api/v1/executions?status=failed&trigger_type=http&since=" + since,
		"/api/v1/executions?error_code=exception", "/api/v1/executions?error_code=exceeded_memory&status=failed", "/api/v1/executions?event_id=none", "/api/v1/executions?path=/none",
		"/api/v1/executions?http_status=5xx", "/api/v1/executions?http_status=404", "/api/v1/executions?http_status=418", "/api/v1/executions?http_status=2xx",
		"/api/v1/executions?q=orders/12", "/api/v1/executions?q=nowhere", "/api/v1/executions?q=customer&status=failed", "/api/v1/executions?status=cancelled",
		"/api/v1/executions?path=/none&script_id=" + script, "/api/v1/executions?fields=id,input,output", "/api/v1/scripts?name=none", "/api/v1/scripts?fields=id,source",
		"/api/v1/executions/" + execution, "/api/v1/executions/" + execution + "/logs",
		"/api/v1/scripts", "/api/v1/scripts?status=active", "/api/v1/scripts?type=oneoff&status=archived", "/api/v1/scripts?tag=tag8", "/api/v1/scripts?search=script+1234", "/api/v1/scripts/" + script,
	}
}

// otherLists are the lists of what is neither a script nor an execution, and what the console's overview asks for.
func otherLists(script string) []string {
	return []string{
		"/api/v1/activity", "/api/v1/activity?hours=24", "/api/v1/activity?hours=168", "/api/v1/health/report", "/api/v1/usage", "/api/v1/usage?script_id=" + script,
		"/api/v1/dead-letters", "/api/v1/dead-letters?event_type=none", "/api/v1/dead-letters?script_id=" + script, "/api/v1/audit-log",
		"/api/v1/audit-log?object_id=" + script, "/api/v1/audit-log?action=none", "/api/v1/kv", "/api/v1/kv?prefix=cart/", "/api/v1/schedules",
		"/api/v1/http-endpoints", "/api/v1/event-subscriptions", "/api/v1/secrets", "/api/v1/vars", "/api/v1/webhooks", "/api/v1/api-keys",
		"/api/v1/scripts?search=none", "/api/v1/organizations", "/api/v1/users",
	}
}

// TestListsUseIndexes asks the database how it would run what the API sends, with a million executions.
func TestListsUseIndexes(t *testing.T) {
	if testing.Short() {
		t.Skip("a million rows take half a minute")
	}
	t.Parallel()
	n, first, statements := bigNode(t, 10_000, 1_000_000)
	page := first.get("/api/v1/executions?limit=200").is(200)
	execution, script := page.items()[0]["id"].(string), page.items()[0]["script_id"].(string)
	who := first.get("/api/v1/whoami").json()["tenant"].(map[string]any)["id"].(string)
	next, _ := page.json()["next_cursor"].(string)
	plans := 0
	for _, path := range append(bigQueries(script, execution), "/api/v1/executions?limit=200&cursor="+next) {
		sent := statements.during(func() { first.get(path).is(200) })
		byRows := slices.ContainsFunc(sent, func(q recorded) bool { return strings.Contains(q.sql, "name: PlanByRows") })
		for _, q := range sent {
			if !strings.Contains(q.sql, "script_executions") && !strings.Contains(q.sql, "FROM scripts") {
				continue
			}
			plan := explain(t, n.pool, uuid.MustParse(who), q, byRows)
			plans++
			require.NotContains(t, plan, "Seq Scan on script_executions", "%s\n%s\n%s", path, q.sql, plan)
			require.NotContains(t, plan, "Seq Scan on scripts", "%s\n%s\n%s", path, q.sql, plan)
			if strings.Contains(q.sql, "name: ExecutionPage") {
				require.NotContains(t, plan, "_pkey on script_executions_", "walks a partition by its key: %s\n%s\n%s", path, q.sql, plan)
				require.NotContains(t, plan, "->  Sort", "%s\n%s\n%s", path, q.sql, plan)
			}
		}
	}
	require.Greater(t, plans, 20)
}

func explain(t *testing.T, pool *pgxpool.Pool, tenant uuid.UUID, q recorded, byRows bool) string {
	t.Helper()
	var lines []string
	require.NoError(t, tenantdb.WithinTx(t.Context(), pool, pgx.TxOptions{}, tenant, func(tx pgx.Tx, queries *sqlc.Queries) error {
		if byRows {
			if err := queries.PlanByRows(t.Context()); err != nil {
				return err
			}
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN "+q.sql, q.args...)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}))
	return strings.Join(lines, "\n")
}

func envInt(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// BenchmarkAdmin measures lists and single objects with 100,000 scripts and 1,000,000 executions (BENCH_SCRIPTS and
// BENCH_EXECUTIONS change that), over HTTP on loopback, one request after the other. BENCH_KEEP=NAME keeps the database under that name on the
// server of TEST_DATABASE_URL for another run with it; BENCH_DATABASE_URL is the URL of one that an earlier run has filled.
//
// Measured in November 2026 on two cores that were busy with other things, 100 requests each:
//
//	                                   p50        p99
//	one script                         0.4 ms     1.0 ms
//	one execution                      0.6 ms     1.1 ms
//	lists of 50, any filter            1 to 3 ms  4 to 25 ms
//	list of 200 executions             12 ms      20 ms
//	search for text in 50,000 scripts  39 ms      61 ms
func BenchmarkAdmin(b *testing.B) {
	executions := envInt("BENCH_EXECUTIONS", 1_000_000)
	n, first, _ := bigNode(b, envInt("BENCH_SCRIPTS", 100_000), executions)
	page := first.get("/api/v1/executions?limit=200").is(200).items()
	// Executions of all of the history, and not of its newest page only.
	rows, err := n.pool.Query(b.Context(), `SELECT e.id::text FROM generate_series(1, 1000) i CROSS JOIN LATERAL (SELECT x.id FROM script_executions x JOIN tenants t ON t.id = x.tenant_id
		WHERE t.slug = 'tenant-0' AND x.id >= jsruntime_id_floor(now() - i * ($1::int / 1001) * interval '1 second') ORDER BY x.id LIMIT 1) e`, executions)
	require.NoError(b, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b, err)
	script, execution := page[0]["script_id"].(string), page[0]["id"].(string)
	for _, path := range append(bigQueries(script, execution), otherLists(script)...) {
		name, query, _ := strings.Cut(strings.TrimPrefix(path, "/api/v1/"), "?")
		for _, id := range []string{script, execution} {
			name, query = strings.ReplaceAll(name, id, "ID"), strings.ReplaceAll(query, id, "ID")
		}
		b.Run(strings.ReplaceAll(name, "/", ".")+"?"+query, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				p := path
				if strings.HasSuffix(name, "/ID") && strings.HasPrefix(name, "executions") {
					p = "/api/v1/executions/" + ids[rand.IntN(len(ids))]
				}
				begun := time.Now()
				first.get(p).is(200)
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
