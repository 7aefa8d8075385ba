package scheduler_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/scheduler"
)

// TestATenantNearItsQuotaLosesItsOldestExecutions, and another tenant none.
func TestATenantNearItsQuotaLosesItsOldestExecutions(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	w.exec(`UPDATE tenants SET plan = '{"max_history_bytes": 1000000}'`)
	for _, tenant := range []uuid.UUID{a, b} {
		w.script(tenant, "oneoff")
		rows := 100
		if tenant == a {
			rows = 3000
		}
		w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, queued_at, started_at, completed_at)
			SELECT s.id, s.tenant_id, 'completed', 'manual', now() - i * interval '1 minute', now() - i * interval '1 minute', now() FROM scripts s, generate_series(1, $2::int) i
			WHERE s.id = (SELECT x.id FROM scripts x WHERE x.tenant_id = $1 LIMIT 1)`, tenant, rows)
	}
	w.exec(`INSERT INTO tenant_storage (tenant_id, table_name, bytes) SELECT id, 'script_executions', 950000 FROM tenants WHERE slug = 'a'`)
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil })
	w.eventually(`SELECT count(*) < 2100 AND count(*) > 500 FROM script_executions WHERE tenant_id = $1`, a)
	require.True(t, one[bool](w, `SELECT max(queued_at) > now() - interval '10 minutes' FROM script_executions WHERE tenant_id = $1`, a), "the newest stay")
	require.Equal(t, 100, one[int](w, `SELECT count(*) FROM script_executions WHERE tenant_id = $1`, b))
}

// TestEveryTableHasItsRetention: versions, dead letters, the audit log and events go when they are old, but what is needed stays.
func TestEveryTableHasItsRetention(t *testing.T) {
	w := newWorld(t)
	a := w.tenant("a")
	script := w.script(a, "oneoff")
	w.exec(`DELETE FROM script_versions WHERE script_id = $1`, script)
	w.exec(`INSERT INTO script_versions (script_id, tenant_id, version_number, source, created_at)
		SELECT $1, $2, i, '', CASE WHEN i = 5 THEN now() ELSE now() - interval '1 year' END FROM generate_series(1, 20) i`, script, a)
	w.exec(`UPDATE scripts SET version = 20, status = 'paused' WHERE id = $1`, script)
	w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, version, run_at, started_at) VALUES ($1, $2, 'pending', 'manual', 3, now() + interval '1 day', NULL)`, script, a)
	for _, age := range []string{"1 hour", "2 years"} {
		w.exec(`INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error, created_at) VALUES ($1, $2, 'x', '1', 'e', now() - $3::text::interval)`, script, a, age)
		w.exec(`INSERT INTO audit_log (id, tenant_id, actor_name, actor_role, action, object_type, object_id, created_at) VALUES (gen_random_uuid(), $1, 'a', 'admin', 'x', 'y', 'z', now() - $2::text::interval)`, a, age)
		w.exec(`INSERT INTO script_events (tenant_id, id, type, data, published_at, deliver_at) VALUES ($1, $2, 'x', '1', now() - $3::text::interval, now() - $3::text::interval)`, a, age, age)
	}
	w.exec(`INSERT INTO script_refusals (tenant_id, script_id, minute, code, refused) VALUES ($1, $2, now(), 'overloaded', 1), ($1, $2, now() - interval '8 days', 'overloaded', 1)`, a, script)
	// An old event whose execution still waits keeps its data.
	w.exec(`INSERT INTO script_events (tenant_id, id, type, data, published_at, deliver_at) VALUES ($1, 'needed', 'x', '1', now() - interval '2 years', now() - interval '2 years')`, a)
	w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, handler, event_id, version, run_at, started_at) VALUES ($1, $2, 'pending', 'event', 'event', 'needed', 20, now() + interval '1 day', NULL)`, script, a)
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil }, func(c *scheduler.Config) { c.KeepVersions = 10 })
	w.eventually(`SELECT array_agg(version_number ORDER BY version_number) = ARRAY[3, 5, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] FROM script_versions WHERE script_id = $1`, script)
	w.eventually(`SELECT (SELECT count(*) FROM script_event_dead_letters) = 1 AND (SELECT count(*) FROM audit_log) = 1 AND (SELECT count(*) FROM script_refusals) = 1 AND (SELECT array_agg(id::text ORDER BY id) = ARRAY['1 hour', 'needed'] FROM script_events)`)
}

// TestAnEndingWrittenAgainIsCountedOnce: what an ending stores counts when its transaction is committed, not when it is tried.
func TestAnEndingWrittenAgainIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	w.subscriber(tenant, "order.paid")
	w.exec(`UPDATE scripts SET retry = '{"max_attempts": 1}'`)
	// The first three dead letters are refused, after all that is counted before them.
	w.exec(`CREATE SEQUENCE refused`)
	w.exec(`GRANT ALL ON SEQUENCE refused TO PUBLIC`)
	w.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('refused') <= 3 THEN RAISE EXCEPTION 'once more' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`)
	w.exec(`CREATE TRIGGER refuse BEFORE INSERT ON script_event_dead_letters FOR EACH ROW EXECUTE FUNCTION refuse()`)
	meter, err := storage.New(storage.Config{DB: w.db, MaxHistoryBytes: 1 << 30})
	require.NoError(t, err)
	_, stop := w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		res := failed(engine.CodeException, "boom")
		res.Logs = []engine.LogLine{{Seq: 1, Level: "info", Message: "hello", At: time.Now()}}
		return res, nil
	}, func(c *scheduler.Config) { c.Storage = meter })
	w.exec(`SELECT jsruntime_publish_event($1, 'order.paid', '{"n": 7}', 'e1')`, tenant)
	w.eventually(`SELECT count(*) = 1 FROM script_event_dead_letters`)
	stop()
	input := one[int](w, `SELECT length(input::text) FROM script_executions`)
	_, stored := meter.State(tenant)
	require.InDelta(t, 250+input+len("boom")+int(ledger.LogBytes("hello")), stored, 100, "the input's own bytes differ a little from jsonb's text; an ending that counts twice has 250 more")
}
