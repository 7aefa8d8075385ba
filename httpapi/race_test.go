package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/migrations/dbtest"
)

func TestVersionsHaveNoGaps(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("s", nil)
	const editors = 50
	var wg sync.WaitGroup
	for i := range editors {
		wg.Go(func() {
			body := map[string]any{"source": fmt.Sprintf("export default { run() { return %d } }", i)}
			a := acme.patch("/api/v1/scripts/"+id, body)
			for a.status == 429 { // the tenant's turns at the compiler are taken: a client tries again
				time.Sleep(10 * time.Millisecond)
				a = acme.patch("/api/v1/scripts/"+id, body)
			}
			if a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	versions := acme.get("/api/v1/scripts/" + id + "/versions?limit=200").is(200).items()
	require.Len(t, versions, editors+1)
	for i, v := range versions {
		require.EqualValues(t, editors+1-i, v["version_number"])
	}
	s := acme.get("/api/v1/scripts/" + id).json()
	require.EqualValues(t, editors+1, s["version"])
	require.Equal(t, s["source"], acme.get(fmt.Sprintf("/api/v1/scripts/%s/versions/%d", id, editors+1)).json()["source"])
}

func TestTwoEditorsOneWins(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("s", nil)
	for round := range 10 {
		tag := acme.get("/api/v1/scripts/" + id).header.Get("ETag")
		var won, lost atomic.Int32
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				switch a := acme.patch("/api/v1/scripts/"+id, map[string]any{"source": fmt.Sprintf("export default { run() { return '%d %d' } }", round, i)}, "If-Match", tag); a.status {
				case 200:
					won.Add(1)
				case 412:
					lost.Add(1)
				default:
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
		require.EqualValues(t, 1, lost.Load())
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme, other := n.tenant("acme"), n.tenant("other")
	body := map[string]any{"name": "k", "role": "viewer"}
	first := acme.post("/api/v1/api-keys", body, "Idempotency-Key", "one").is(201)
	again := acme.post("/api/v1/api-keys", body, "Idempotency-Key", "one").is(201)
	require.Equal(t, string(first.body), string(again.body))
	require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	acme.post("/api/v1/api-keys", map[string]any{"name": "l", "role": "viewer"}, "Idempotency-Key", "one").refused(422, "idempotency_key_reused")
	require.Len(t, acme.get("/api/v1/api-keys").items(), 2)
	// What was answered once is not readable from the table.
	var stored string
	require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT encode(body, 'escape') FROM idempotency_keys").Scan(&stored))
	require.NotContains(t, stored, "jsr_")
	// Another tenant's same key is another key.
	other.post("/api/v1/api-keys", body, "Idempotency-Key", "one").is(201)
	// A refusal is an answer too.
	bad := acme.post("/api/v1/organizations", map[string]any{"name": ""}, "Idempotency-Key", "bad").refused(422, "validation_failed")
	require.Equal(t, bad, acme.post("/api/v1/organizations", map[string]any{"name": ""}, "Idempotency-Key", "bad").refused(422, "validation_failed"))

	// Many at once: one is done, the others get its answer or are told to wait.
	var wg sync.WaitGroup
	var made, waiting atomic.Int32
	for range 20 {
		wg.Go(func() {
			switch a := acme.post("/api/v1/organizations", map[string]any{"name": "once"}, "Idempotency-Key", "race"); a.status {
			case http.StatusCreated:
				made.Add(1)
			case http.StatusConflict:
				waiting.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	require.Positive(t, made.Load())
	require.EqualValues(t, 20, made.Load()+waiting.Load())
	require.Len(t, acme.get("/api/v1/organizations").items(), 2)

	// One whose first request is lost stays taken for five minutes, and one of yesterday is free again.
	_, err := n.pool.Exec(t.Context(), "UPDATE idempotency_keys SET status_code = NULL, body = NULL WHERE key = 'race'")
	require.NoError(t, err)
	acme.post("/api/v1/organizations", map[string]any{"name": "once"}, "Idempotency-Key", "race").refused(409, "idempotency_in_progress")
	_, err = n.pool.Exec(t.Context(), "UPDATE idempotency_keys SET created_at = now() - interval '6 minutes' WHERE key = 'race'")
	require.NoError(t, err)
	acme.post("/api/v1/organizations", map[string]any{"name": "once"}, "Idempotency-Key", "race").refused(409, "name_taken")
}

// The statement that takes a key may reach the database after the node has given it up, and after its release: a network that was cut
// delivers what was under way.
func TestIdempotencyKeysThatAreTakenLate(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	var cut atomic.Bool // no further connection can be made: the node cannot ask for a statement to be cancelled
	cfg := db.Config()
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if cut.Load() {
			return nil, errors.New("no route to host")
		}
		return dial(ctx, network, address)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	n := startNodeOn(t, pool, func(c *httpapi.Config) { c.NodeID = uuid.New() })
	acme := n.tenant("acme")
	organization := func(name string) answer {
		return acme.post("/api/v1/organizations", map[string]any{"name": name}, "Idempotency-Key", name)
	}
	organization("first").is(201)
	_, err = db.Exec(t.Context(), `CREATE TABLE test_taken (key text);
		CREATE FUNCTION test_taken() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO test_taken VALUES (NEW.key); RETURN NULL; END';
		CREATE TRIGGER test_taken AFTER INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION test_taken()`)
	require.NoError(t, err)
	idle := make([]*pgxpool.Conn, 3)
	for i := range idle {
		idle[i], err = pool.Acquire(t.Context())
		require.NoError(t, err)
	}
	for _, c := range idle {
		c.Release()
	}
	// Whoever inserts the same key meanwhile is waited for, and is not seen by the release.
	tx, err := db.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	_, err = tx.Exec(t.Context(), `INSERT INTO idempotency_keys (scope, key, route, fingerprint) SELECT scope, 'late', route, fingerprint FROM idempotency_keys`)
	require.NoError(t, err)
	cut.Store(true)
	organization("late").refused(503, "database_unavailable")
	taken := func() bool {
		var is bool
		require.NoError(t, db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM test_taken)`).Scan(&is))
		return is
	}
	time.Sleep(2500 * time.Millisecond) // two releases, which find nothing
	require.False(t, taken())
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, taken, time.Minute, 10*time.Millisecond, "it was not late")
	cut.Store(false)
	require.Eventually(t, func() bool { return organization("late").status == 201 }, time.Minute, 50*time.Millisecond, "taken for five minutes")
}

// What a request with an Idempotency-Key makes and its answer are committed together or not at all, so that a request that got no
// answer can be sent again.
func TestIdempotencyKeysAreExact(t *testing.T) {
	t.Parallel()
	self, other := uuid.New(), uuid.New()
	n := startNode(t, func(c *httpapi.Config) { c.NodeID = self })
	acme := n.tenant("acme")
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := n.pool.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	organization := func(name string) answer {
		return acme.post("/api/v1/organizations", map[string]any{"name": name}, "Idempotency-Key", name)
	}
	made := func(name string) (count int) {
		require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT count(*) FROM organizations WHERE name = $1", name).Scan(&count))
		return count
	}
	exec("INSERT INTO nodes (id, hostname, version, heartbeat_at) VALUES ($1, 'self', 'x', now() + interval '1 hour'), ($2, 'other', 'x', now() - interval '1 minute')", self, other)

	// The answer cannot be kept: nothing is made, and the key is free again.
	exec("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
	exec("CREATE TRIGGER no BEFORE UPDATE ON idempotency_keys FOR EACH ROW WHEN (NEW.status_code IS NOT NULL) EXECUTE FUNCTION no()")
	refused := organization("broken")
	require.GreaterOrEqual(t, refused.status, 500)
	require.Empty(t, refused.header.Get("Location"))
	require.Zero(t, made("broken"))
	exec("DROP TRIGGER no ON idempotency_keys")
	organization("broken").is(201)
	require.Equal(t, "true", organization("broken").is(201).header.Get("Idempotent-Replayed"))
	require.Equal(t, 1, made("broken"))

	// A first request without an answer keeps the key while its node lives.
	organization("lost").is(201)
	exec("UPDATE idempotency_keys SET status_code = NULL, body = NULL WHERE key = 'lost'")
	organization("lost").refused(409, "idempotency_in_progress")
	exec("UPDATE idempotency_keys SET node_id = $1 WHERE key = 'lost'", other)
	organization("lost").refused(409, "name_taken")
	exec("UPDATE idempotency_keys SET status_code = NULL, body = NULL, node_id = $1 WHERE key = 'lost'", self)
	exec("UPDATE nodes SET heartbeat_at = now() - interval '1 minute' WHERE id = $1", self)
	organization("lost").refused(409, "name_taken")

	// Who was taken for dead and is not makes nothing any more.
	tx, err := n.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE organizations IN SHARE MODE")
	require.NoError(t, err)
	late := make(chan answer, 1)
	go func() { late <- organization("late") }()
	require.Eventually(t, func() bool {
		var waits bool
		require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%INSERT INTO organizations%')").Scan(&waits))
		return waits
	}, 10*time.Second, 5*time.Millisecond)
	exec("UPDATE idempotency_keys SET taken = gen_random_uuid() WHERE key = 'late'")
	require.NoError(t, tx.Rollback(t.Context()))
	(<-late).refused(409, "idempotency_in_progress")
	require.Zero(t, made("late"))
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(c *httpapi.Config) { c.RatePerMinute = 5 })
	acme := n.tenant("acme")
	for i := range 5 {
		a := acme.get("/api/v1/whoami").is(200)
		require.Equal(t, "5", a.header.Get("RateLimit-Limit"))
		require.Equal(t, fmt.Sprint(4-i), a.header.Get("RateLimit-Remaining"))
	}
	a := acme.get("/api/v1/whoami")
	a.refused(429, "rate_limited")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.NotEmpty(t, a.header.Get("RateLimit-Reset"))
	// Another key has its own, and runs are bounded by concurrency and queue depth instead.
	n.key("acme", "viewer").get("/api/v1/whoami").is(200)
	acme.post("/api/v1/events", map[string]any{"type": "a", "data": 1}).is(202)
}

func TestPagesStayRightWhileRowsAreInserted(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	for i := range 23 {
		acme.script(fmt.Sprintf("s%02d", i), map[string]any{"tags": []string{"x"}})
	}
	var seen []string
	cursor := ""
	for page := 0; ; page++ {
		a := acme.get("/api/v1/scripts?limit=5&tag=x" + cursor).is(200)
		for _, s := range a.items() {
			seen = append(seen, s["name"].(string))
		}
		acme.script(fmt.Sprintf("new%d", page), map[string]any{"tags": []string{"x"}})
		next, _ := a.json()["next_cursor"].(string)
		if next == "" {
			break
		}
		// A cursor is worth nothing with other filters or for another tenant.
		acme.get("/api/v1/scripts?limit=5&cursor="+next).refused(400, "invalid_cursor")
		cursor = "&cursor=" + next
	}
	require.Len(t, seen, 23)
	for i, name := range seen {
		require.Equal(t, fmt.Sprintf("s%02d", 22-i), name)
	}
}

func TestBigSourcesMakeSmallPages(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	big := runSource + "\n/*" + string(make1MB()) + "*/"
	for i := range 12 {
		acme.script(fmt.Sprintf("s%02d", i), map[string]any{"source": big})
	}
	count, cursor := 0, ""
	for {
		a := acme.get("/api/v1/scripts?limit=200&fields=id,source" + cursor).is(200)
		require.Less(t, len(a.body), 12<<20)
		count += len(a.items())
		next, _ := a.json()["next_cursor"].(string)
		if next == "" {
			break
		}
		cursor = "&cursor=" + next
	}
	require.Equal(t, 12, count)
}

func make1MB() []byte {
	b := make([]byte, 1<<20-200)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

func TestEventsAndDeadLetters(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	for i, types := range [][]string{{"order.paid"}, {"order.*"}, {"*"}, {"user.made"}} {
		acme.script(fmt.Sprintf("s%d", i), map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": types, "status": "active"})
	}
	require.Len(t, acme.get("/api/v1/event-subscriptions").items(), 4)
	p := acme.post("/api/v1/events", map[string]any{"type": "order.paid", "data": map[string]any{"n": 1}, "id": "e1"}).is(202).json()
	require.EqualValues(t, 3, p["executions"])
	require.Equal(t, "e1", p["event_id"])
	p = acme.post("/api/v1/events", map[string]any{"type": "order.paid", "data": 1, "id": "e1"}).is(202).json()
	require.Equal(t, true, p["duplicate"])
	executions := acme.get("/api/v1/executions?trigger_type=event").items()
	require.Len(t, executions, 3)
	require.Equal(t, "e1", executions[0]["event_id"])
	acme.post("/api/v1/events", map[string]any{"type": "a b", "data": 1}).refused(422, "validation_failed")
	acme.post("/api/v1/events", map[string]any{"type": "a", "data": 1, "deliver_at": time.Now().Add(365 * 24 * time.Hour)}).is(202)
	acme.post("/api/v1/events", map[string]any{"type": "a", "data": 1, "deliver_at": time.Now().AddDate(3, 0, 0)}).refused(422, "validation_failed")

	for i := range 3 {
		_, err := n.pool.Exec(t.Context(), `INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error, event_id)
			SELECT id, tenant_id, 'order.paid', jsonb_build_object('n', $1::int), 'boom', 'e1' FROM scripts WHERE name = 's0'`, i)
		require.NoError(t, err)
	}
	letters := acme.get("/api/v1/dead-letters?event_type=order.paid").is(200).items()
	require.Len(t, letters, 3)
	one := letters[0]["id"].(string)
	ran := acme.post("/api/v1/dead-letters/"+one+"/retry", nil).is(202).str("execution_id")
	e := acme.get("/api/v1/executions/" + ran).is(200).json()
	require.Equal(t, "order.paid", e["input"].(map[string]any)["type"])
	acme.post("/api/v1/dead-letters/"+one+"/retry", nil).refused(409, "retry_in_progress")
	require.EqualValues(t, 1, acme.get("/api/v1/dead-letters/" + one).json()["retry_count"])
	many := func(body map[string]any) any {
		return acme.post("/api/v1/dead-letters/retry", body).is(202).json()["retried"]
	}
	require.EqualValues(t, 2, many(map[string]any{"event_type": "order.paid", "dry_run": true}))
	require.EqualValues(t, 0, many(map[string]any{"error_code": "none", "dry_run": true}))
	require.EqualValues(t, 0, many(map[string]any{"until": "2020-01-01T00:00:00Z", "dry_run": true}))
	acme.post("/api/v1/dead-letters/retry", map[string]any{"version": 1}).refused(422, "validation_failed")

	// Edited, and onto a version.
	other := letters[1]["id"].(string)
	acme.post("/api/v1/dead-letters/"+other+"/retry", map[string]any{"version": 77}).refused(422, "validation_failed")
	acme.post("/api/v1/dead-letters/"+other+"/retry", map[string]any{"data": map[string]any{"token": redact.Mask}}).refused(422, "validation_failed")
	ran = acme.post("/api/v1/dead-letters/"+other+"/retry", map[string]any{"data": map[string]any{"n": 41}, "version": 1}).is(202).str("execution_id")
	e = acme.get("/api/v1/executions/" + ran).is(200).json()
	require.Equal(t, map[string]any{"n": 41.0}, e["input"].(map[string]any)["data"])
	require.Equal(t, 1.0, e["version"])
	require.NotEqual(t, map[string]any{"n": 41.0}, acme.get("/api/v1/dead-letters/" + other).json()["event_data"])

	require.EqualValues(t, 1, many(map[string]any{"event_type": "order.paid"}))
	require.EqualValues(t, 0, acme.post("/api/v1/dead-letters/retry", nil).is(202).json()["retried"])
	acme.del("/api/v1/dead-letters/" + one).is(204)
	acme.get("/api/v1/dead-letters/"+one).refused(404, "not_found")
}

// What waits in the queue belongs to the trace of the request that put it there, a redrive to that of the event.
func TestQueueContinuesTheRequestsTrace(t *testing.T) {
	t.Parallel()
	var spans atomic.Int32
	span := func(n int32) string { return fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01", n) }
	n := startNode(t, func(c *httpapi.Config) { c.TraceParent = func(context.Context) string { return span(spans.Add(1)) } })
	acme := n.tenant("acme")
	id := acme.script("on", map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": []string{"paid"}, "status": "active"})
	stored := func(execution string) (traceParent *string) {
		require.NoError(t, n.pool.QueryRow(t.Context(), `SELECT traceparent FROM script_executions WHERE id = $1`, execution).Scan(&traceParent))
		return traceParent
	}
	acme.post("/api/v1/events", map[string]any{"type": "paid", "data": 1}).is(202)
	event := acme.get("/api/v1/executions").items()[0]["id"].(string)
	require.Equal(t, span(1), *stored(event))
	byHand := acme.post("/api/v1/scripts/"+id+"/executions", nil).is(202).str("id")
	require.Equal(t, span(2), *stored(byHand))
	require.Equal(t, span(3), *stored(acme.post("/api/v1/executions/"+byHand+"/replay", nil).is(202).str("id")))

	var letter string
	require.NoError(t, n.pool.QueryRow(t.Context(), `INSERT INTO script_event_dead_letters (script_id, tenant_id, execution_id, event_type, event_data, error)
		SELECT script_id, tenant_id, id, 'paid', '1', 'boom' FROM script_executions WHERE id = $1 RETURNING id::text`, event).Scan(&letter))
	require.Equal(t, span(1), *stored(acme.post("/api/v1/dead-letters/"+letter+"/retry", nil).is(202).str("execution_id")))

	plain := startNodeOn(t, n.pool)
	untraced := plain.as(acme.key)
	require.Nil(t, stored(untraced.post("/api/v1/scripts/"+id+"/executions", nil).is(202).str("id")))
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("s", map[string]any{
		"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "0 12 * * *", "timezone": "Europe/Berlin",
		"schedule": map[string]any{"overlap": "queue_one", "jitter_seconds": 3},
	})
	s := acme.get("/api/v1/scripts/" + id + "/schedule").is(200).json()
	require.Nil(t, s["next_run_at"])
	require.Empty(t, s["upcoming"])
	require.Equal(t, "queue_one", s["overlap"])
	acme.patch("/api/v1/scripts/"+id, map[string]any{"status": "active"}).is(200)
	s = acme.get("/api/v1/scripts/" + id + "/schedule").is(200).json()
	require.Len(t, s["upcoming"], 5)
	require.Equal(t, s["next_run_at"], s["upcoming"].([]any)[0])
	first := s["next_run_at"]
	// What does not touch the schedule does not move it.
	acme.patch("/api/v1/scripts/"+id, map[string]any{"description": "x"}).is(200)
	require.Equal(t, first, acme.get("/api/v1/scripts/" + id + "/schedule").json()["next_run_at"])
	acme.patch("/api/v1/scripts/"+id, map[string]any{"cron_expression": "30 12 * * *"}).is(200)
	require.NotEqual(t, first, acme.get("/api/v1/scripts/" + id + "/schedule").json()["next_run_at"])
	acme.patch("/api/v1/scripts/"+id, map[string]any{"status": "paused"}).is(200)
	require.Nil(t, acme.get("/api/v1/scripts/" + id + "/schedule").json()["next_run_at"])
	require.Len(t, acme.get("/api/v1/schedules").items(), 1)
	acme.patch("/api/v1/scripts/"+id, map[string]any{"cron_expression": nil}).refused(422, "validation_failed")
	acme.patch("/api/v1/scripts/"+id, map[string]any{"schedule": map[string]any{"overlap": "never"}}).refused(422, "validation_failed")
}

// A server without a key of its own for secrets says so, wherever one would be encrypted.
func TestNoSecretKey(t *testing.T) {
	t.Parallel()
	none, err := keyring.Parse("", "")
	require.NoError(t, err)
	n := startNode(t, func(c *httpapi.Config) { c.Sealer, c.SecretKeys = host.NewSecrets(c.Pool, none), nil })
	acme := n.tenant("acme")
	acme.do("PUT", "/api/v1/secrets/TOKEN", map[string]any{"value": "hunter2"}).refused(503, "secrets_unavailable")
	acme.post("/api/v1/webhooks", map[string]any{"url": "https://ops.example.com/hooks", "events": []string{"script.failing"}}).refused(503, "secrets_unavailable")
	n.operator().post("/api/v1/secrets/rekey", nil).refused(503, "secrets_unavailable")
}

func TestSecretsUsersOrganizationsUsageNodes(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	acme.do("PUT", "/api/v1/secrets/TOKEN", map[string]any{"value": "hunter2"}).is(204)
	acme.do("PUT", "/api/v1/secrets/TOKEN", map[string]any{"value": "hunter3"}).is(204)
	acme.do("PUT", "/api/v1/secrets/1BAD", map[string]any{"value": "x"}).refused(422, "validation_failed")
	list := acme.get("/api/v1/secrets").is(200)
	require.Len(t, list.items(), 1)
	require.NotContains(t, string(list.body), "hunter")
	require.NotContains(t, string(acme.get("/api/v1/audit-log").body), "hunter")
	acme.del("/api/v1/secrets/TOKEN").is(204)
	acme.del("/api/v1/secrets/TOKEN").refused(404, "not_found")

	org := acme.post("/api/v1/organizations", map[string]any{"name": "second"}).is(201).str("id")
	user := acme.post("/api/v1/users", map[string]any{"name": "Ann", "email": "ann@example.org", "role": "developer", "organization_id": org}).is(201)
	userID := jsonNumber(user.json()["id"])
	acme.post("/api/v1/users", map[string]any{"name": "Bob", "email": "ann@example.org", "role": "viewer"}).refused(409, "email_taken")
	acme.post("/api/v1/users", map[string]any{"name": "Bob", "email": "no address", "role": "viewer"}).refused(422, "validation_failed")
	acme.del("/api/v1/organizations/"+org).refused(409, "in_use")
	require.Equal(t, "Anna", acme.patch("/api/v1/users/"+userID, map[string]any{"name": "Anna"}).is(200).str("name"))
	// A key on a user's behalf makes scripts that are the user's; they outlive the user.
	ann := n.as(acme.post("/api/v1/api-keys", map[string]any{"name": "ann", "role": "developer", "user_id": user.json()["id"]}).is(201).str("key"))
	id := ann.script("s", map[string]any{"organization_id": org})
	require.Equal(t, user.json()["id"], acme.get("/api/v1/scripts/" + id).json()["created_by"])
	acme.del("/api/v1/users/" + userID).is(204)
	require.Nil(t, acme.get("/api/v1/scripts/" + id).json()["created_by"])
	acme.del("/api/v1/scripts/" + id).is(204)
	acme.del("/api/v1/organizations/" + org).is(204)
	def := acme.get("/api/v1/organizations").items()[0]["id"].(string)
	acme.del("/api/v1/organizations/"+def).refused(409, "default_organization")

	for i, outcome := range []string{"completed", "exception"} {
		_, err := n.pool.Exec(t.Context(), `INSERT INTO script_usage_daily (tenant_id, script_id, day, outcome, executions, cpu_ms, egress_bytes)
			SELECT id, '00000000-0000-7000-8000-000000000001', now()::date, $1, $2, 1.5, 10 FROM tenants WHERE slug = 'acme'`, outcome, i+2)
		require.NoError(t, err)
	}
	usage := acme.get("/api/v1/usage").is(200).json()
	require.Len(t, usage["items"], 1)
	require.EqualValues(t, 5, usage["total"].(map[string]any)["executions"])
	require.EqualValues(t, 3, usage["total"].(map[string]any)["outcomes"].(map[string]any)["exception"])
	acme.get("/api/v1/usage?from=2026-02-31").refused(422, "validation_failed")
	acme.get("/api/v1/usage?from=2001-01-01&to=2026-01-01").refused(422, "validation_failed")

	_, err := n.pool.Exec(t.Context(), "INSERT INTO nodes (id, hostname, version) VALUES (gen_random_uuid(), 'h', 'v')")
	require.NoError(t, err)
	require.Len(t, n.operator().get("/api/v1/nodes").is(200).items(), 1)
}

func TestExportAndImport(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme, other := n.tenant("acme"), n.tenant("other")
	acme.script("run", map[string]any{"tags": []string{"a"}, "metadata": map[string]any{"m": 1}, "description": "d"})
	acme.script("web", fetchScript("/web"))
	acme.script("cron", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "@daily", "timezone": "Asia/Tokyo", "status": "active"})
	acme.script("event", map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": []string{"a.*"}})
	doc := acme.get("/api/v1/export").is(200)
	require.Len(t, doc.json()["scripts"], 4)
	// A dry run counts and stores nothing.
	require.EqualValues(t, 4, other.do("POST", "/api/v1/import?dry_run=true", doc.body).is(200).json()["created"])
	require.Empty(t, other.get("/api/v1/scripts").items())
	require.EqualValues(t, 4, other.do("POST", "/api/v1/import", doc.body).is(200).json()["created"])
	other.do("POST", "/api/v1/import", doc.body).refused(409, "name_taken")
	require.EqualValues(t, 4, other.do("POST", "/api/v1/import?on_conflict=skip", doc.body).is(200).json()["skipped"])
	require.Equal(t, map[string]any{"created": 0.0, "updated": 0.0, "unchanged": 4.0, "skipped": 0.0},
		other.do("POST", "/api/v1/import?on_conflict=update", doc.body).is(200).json())
	changed := doc.json()
	changed["scripts"].([]any)[1].(map[string]any)["description"] = "new"
	for _, query := range []string{"&dry_run=true", ""} {
		require.Equal(t, map[string]any{"created": 0.0, "updated": 1.0, "unchanged": 3.0, "skipped": 0.0},
			other.post("/api/v1/import?on_conflict=update"+query, changed).is(200).json())
	}
	require.EqualValues(t, 4, other.do("POST", "/api/v1/import?on_conflict=update", doc.body).is(200).json()["updated"].(float64)+3)
	for _, s := range other.get("/api/v1/scripts").items() {
		require.EqualValues(t, 1, s["version"], "the same source makes no version")
	}
	a, b := doc.json()["scripts"], other.get("/api/v1/export").json()["scripts"]
	require.Equal(t, a, b)
	// All or nothing.
	bad := doc.json()
	scripts := bad["scripts"].([]any)
	scripts[3].(map[string]any)["http_path"] = "no slash"
	fresh := n.tenant("fresh")
	p := fresh.post("/api/v1/import", bad).refused(422, "validation_failed")
	require.Contains(t, p["detail"], "scripts[3]")
	require.Empty(t, fresh.get("/api/v1/scripts").items())
}
