package webhook_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

// world is a tenant with a script.
type world struct {
	db             *pgxpool.Pool
	q              *sqlc.Queries
	tenant, script uuid.UUID
}

func newWorld(t *testing.T, db *pgxpool.Pool, breaker string) world {
	t.Helper()
	w := world{db: db, q: sqlc.New(db)}
	require.NoError(t, db.QueryRow(t.Context(), `
		WITH t AS (INSERT INTO tenants (slug, name) VALUES ('t-' || substr(gen_random_uuid()::text, 1, 8), 'T') RETURNING id),
		     o AS (INSERT INTO organizations (tenant_id, name) SELECT id, 'default' FROM t RETURNING id, tenant_id)
		INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, cron_expression, breaker)
		SELECT o.tenant_id, o.id, 'job', '', 'scheduled', 'active', '* * * * *', $1::jsonb FROM o RETURNING id, tenant_id`, breaker).Scan(&w.script, &w.tenant))
	return w
}

// hook makes a webhook; of the operator's where owner is nil.
func hook(t *testing.T, db *pgxpool.Pool, owner *uuid.UUID, url string, events ...string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := sqlc.New(db).WebhookCreate(t.Context(), sqlc.WebhookCreateParams{ID: id, Owner: owner, Url: url, Events: events, Nonce: []byte{}, Ciphertext: []byte{}})
	require.NoError(t, err)
	return id
}

// heard are the events that are queued for a webhook, the oldest first, and the last one's data.
func heard(t *testing.T, db *pgxpool.Pool, id uuid.UUID) (events []string, data map[string]any) {
	t.Helper()
	rows, err := sqlc.New(db).WebhookDeliveryList(t.Context(), sqlc.WebhookDeliveryListParams{
		WebhookID: id, BeforeAt: time.Now().Add(time.Hour), BeforeID: uuid.Max, RowLimit: 2000,
	})
	require.NoError(t, err)
	for i := len(rows) - 1; i >= 0; i-- {
		var body struct {
			Type      string
			Timestamp time.Time
			Data      map[string]any
		}
		require.NoError(t, json.Unmarshal(rows[i].Payload, &body))
		require.Equal(t, rows[i].Event, body.Type)
		require.WithinDuration(t, time.Now(), body.Timestamp, time.Hour)
		events, data = append(events, body.Type), body.Data
	}
	return events, data
}

func (w world) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := w.db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (w world) fails(t *testing.T, version int32, n int64) {
	t.Helper()
	require.NoError(t, w.q.ScriptFailures(t.Context(), sqlc.ScriptFailuresParams{
		ScriptIds: []uuid.UUID{w.script}, Versions: []int32{version}, Failures: []int64{n}, Codes: []string{"exception"},
	}))
}

// completes counts an execution that completes, as the usage of the ledger does.
func (w world) completes(t *testing.T) {
	t.Helper()
	w.exec(t, `INSERT INTO script_usage_daily AS u (tenant_id, script_id, day, outcome, executions) VALUES ($1, $2, (now() AT TIME ZONE 'UTC')::date, 'completed', 1)
		ON CONFLICT (tenant_id, day, script_id, outcome) DO UPDATE SET executions = u.executions + 1`, w.tenant, w.script)
}

// TestEveryEvent: what the statements of the runtime write is told to the tenant's webhooks and to the operator's, by name, and to no other tenant's.
func TestEveryEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.DB(t), `{"failures": 2}`)
	other := newWorld(t, w.db, `{}`)
	theirs := hook(t, w.db, &other.tenant, "https://example.org", webhook.Events()...)
	operators := hook(t, w.db, nil, "https://example.org", webhook.Events()...)
	for _, c := range []struct {
		event string
		make  func()
		data  map[string]any
	}{
		{"script.failing", func() { w.fails(t, 1, 2) }, map[string]any{"script_name": "job", "failures": 2.0, "error_code": "exception", "version": 1.0}},
		{"breaker.opened", func() {
			_, err := w.q.BreakersOpen(t.Context())
			require.NoError(t, err)
		}, map[string]any{"script_name": "job", "paused": true, "failures": 2.0}},
		{"script.recovered", func() {
			w.completes(t)
			_, err := w.q.ScriptsRecover(t.Context(), sqlc.ScriptsRecoverParams{LookAt: 10})
			require.NoError(t, err)
		}, map[string]any{"script_name": "job"}},
		{"script.quarantined", func() {
			w.exec(t, `UPDATE scripts SET quarantined_until = now() + interval '1 minute', quarantine_reason = 'it kills' WHERE id = $1`, w.script)
		}, map[string]any{"script_name": "job", "reason": "it kills"}},
		{"script.quarantined", func() { // once more, after the first has ended by itself
			w.exec(t, `UPDATE scripts SET quarantined_until = now() - interval '1 minute' WHERE id = $1`, w.script)
			w.exec(t, `UPDATE scripts SET quarantined_until = now() + interval '1 minute' WHERE id = $1`, w.script)
		}, map[string]any{"reason": "it kills"}},
		{"dead_letter.created", func() {
			w.exec(t, `INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error) VALUES ($1, $2, 'order.paid', '{"card": 1}', 'e')`, w.script, w.tenant)
		}, map[string]any{"script_name": "job", "event_type": "order.paid"}},
		{"schedule.missed", func() {
			w.exec(t, `INSERT INTO script_schedule_ticks (script_id, tenant_id, scheduled_for, outcome) VALUES ($1, $2, now(), 'missed')`, w.script, w.tenant)
			w.exec(t, `INSERT INTO script_schedule_ticks (script_id, tenant_id, scheduled_for, outcome) VALUES ($1, $2, now() + interval '1 s', 'started')`, w.script, w.tenant)
		}, map[string]any{"script_name": "job"}},
		{"quota.warning", func() {
			w.exec(t, `INSERT INTO tenant_quota_notices (tenant_id, quota, per, period_start, mark) VALUES ($1, 'executions', 'day', current_date, 'soft')`, w.tenant)
		}, map[string]any{"quota": "executions", "per": "day"}},
		{"quota.exceeded", func() {
			w.exec(t, `INSERT INTO tenant_quota_notices (tenant_id, quota, per, period_start, mark) VALUES ($1, 'executions', 'day', current_date, 'hard')`, w.tenant)
		}, map[string]any{"quota": "executions"}},
		{"rollout.reverted", func() {
			var id uuid.UUID
			require.NoError(t, w.db.QueryRow(t.Context(), `INSERT INTO script_deployments (id, script_id, tenant_id, version_number, percent, error_rate, min_runs, runs, failures)
				VALUES (gen_random_uuid(), $1, $2, 2, 10, 0.1, 1, 10, 9) RETURNING id`, w.script, w.tenant).Scan(&id))
			w.exec(t, `UPDATE scripts SET candidate_version = 2, candidate_percent = 10, candidate_deployment = $2 WHERE id = $1`, w.script, id)
			_, err := w.q.DeploymentRevert(t.Context(), []uuid.UUID{id})
			require.NoError(t, err)
		}, map[string]any{"script_name": "job", "version": 2.0, "failures": 9.0}},
	} {
		mine := hook(t, w.db, &w.tenant, "https://example.org", c.event)
		before, _ := heard(t, w.db, operators)
		c.make()
		events, data := heard(t, w.db, mine)
		require.Equal(t, []string{c.event}, events)
		for name, value := range c.data {
			require.Equal(t, value, data[name], "%s: %s", c.event, name)
		}
		require.Equal(t, w.tenant.String(), data["tenant_id"])
		require.NotContains(t, data, "card")
		after, _ := heard(t, w.db, operators)
		require.Equal(t, []string{c.event}, after[len(before):])
	}
	events, _ := heard(t, w.db, theirs)
	require.Empty(t, events)
}

// TestFailuresInARow: what counts is failures without an execution that completes between them, of the versions that get executions.
func TestFailuresInARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.DB(t), `{}`) // five by default, and no breaker
	mine := hook(t, w.db, &w.tenant, "https://example.org", webhook.Events()...)
	told := func(want ...string) {
		t.Helper()
		_, err := w.q.ScriptsRecover(t.Context(), sqlc.ScriptsRecoverParams{LookAt: 10})
		require.NoError(t, err)
		_, err = w.q.BreakersOpen(t.Context())
		require.NoError(t, err)
		events, _ := heard(t, w.db, mine)
		require.Equal(t, want, events)
	}
	w.fails(t, 2, 100) // not live
	w.fails(t, 1, 4)
	w.completes(t)
	w.fails(t, 1, 4)
	told()
	w.fails(t, 1, 1)
	told("script.failing")
	w.fails(t, 1, 100)
	told("script.failing")
	w.completes(t)
	told("script.failing", "script.recovered")
	told("script.failing", "script.recovered")

	// With a breaker that only tells; each run of failures opens it once.
	w.exec(t, `UPDATE scripts SET breaker = '{"failures": 3, "action": "notify"}' WHERE id = $1`, w.script)
	w.fails(t, 1, 2)
	w.fails(t, 1, 1)
	w.fails(t, 1, 9)
	told("script.failing", "script.recovered", "script.failing", "breaker.opened")
	// Another version begins anew; it is told to fail once until it completes, and its breaker opens again.
	w.exec(t, `UPDATE scripts SET source = 'other' WHERE id = $1`, w.script)
	w.fails(t, 1, 50)
	w.fails(t, 2, 2)
	told("script.failing", "script.recovered", "script.failing", "breaker.opened")
	w.fails(t, 2, 1)
	told("script.failing", "script.recovered", "script.failing", "breaker.opened", "breaker.opened")
	var status string
	require.NoError(t, w.db.QueryRow(t.Context(), `SELECT status FROM scripts WHERE id = $1`, w.script).Scan(&status))
	require.Equal(t, "active", status)
	// What completed before midnight and since counts alike.
	w.exec(t, `UPDATE script_health SET completed_day = completed_day - 3 WHERE script_id = $1`, w.script)
	told("script.failing", "script.recovered", "script.failing", "breaker.opened", "breaker.opened")
	w.completes(t)
	told("script.failing", "script.recovered", "script.failing", "breaker.opened", "breaker.opened", "script.recovered")
	// A source that SQL changes is another version, which ends a quarantine too.
	w.exec(t, `UPDATE scripts SET quarantined_until = now() + interval '1 hour', quarantine_reason = 'r' WHERE id = $1`, w.script)
	w.exec(t, `UPDATE scripts SET source = 'third' WHERE id = $1`, w.script)
	var until *time.Time
	require.NoError(t, w.db.QueryRow(t.Context(), `SELECT quarantined_until FROM scripts WHERE id = $1`, w.script).Scan(&until))
	require.Nil(t, until)
	// A script that is gone has no health.
	w.exec(t, `DELETE FROM scripts WHERE id = $1`, w.script)
	var left int
	require.NoError(t, w.db.QueryRow(t.Context(), `SELECT count(*) FROM script_health`).Scan(&left))
	require.Zero(t, left)
}

// TestManyEndingsAtOnce: nodes that count the same scripts in all orders, editors that lock them and breakers that open end without a deadlock, and
// each fact is told once.
func TestManyEndingsAtOnce(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	worlds := make([]world, 6)
	for i := range worlds {
		worlds[i] = newWorld(t, db, `{"failures": 40}`)
	}
	operators := hook(t, db, nil, "https://example.org", "script.failing", "breaker.opened")
	gone := hook(t, db, nil, "https://example.org", "script.failing")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			var p sqlc.ScriptFailuresParams
			for i := range worlds {
				w := worlds[(i+n)%len(worlds)]
				p.ScriptIds, p.Versions, p.Failures, p.Codes = append(p.ScriptIds, w.script), append(p.Versions, 1), append(p.Failures, 1), append(p.Codes, "exception")
			}
			for range 5 {
				if err := worlds[0].q.ScriptFailures(context.Background(), p); err != nil {
					t.Errorf("count: %v", err)
				}
				if n%2 == 0 {
					if _, err := worlds[0].q.BreakersOpen(context.Background()); err != nil {
						t.Errorf("open: %v", err)
					}
					continue
				}
				if _, err := db.Exec(context.Background(), `UPDATE scripts SET tags = array_append(tags, 'x') WHERE id = $1`, worlds[n%len(worlds)].script); err != nil {
					t.Errorf("edit: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		if _, err := worlds[0].q.WebhookDelete(context.Background(), sqlc.WebhookDeleteParams{ID: gone}); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
	all.Wait()
	require.Eventually(t, func() bool {
		_, err := worlds[0].q.BreakersOpen(t.Context())
		require.NoError(t, err)
		events, _ := heard(t, db, operators)
		counts := map[string]int{}
		for _, event := range events {
			counts[event]++
		}
		return counts["script.failing"] == len(worlds) && counts["breaker.opened"] == len(worlds) && len(events) == 2*len(worlds)
	}, time.Minute, 10*time.Millisecond)
	for _, w := range worlds {
		var failures int
		require.NoError(t, db.QueryRow(t.Context(), `SELECT failures FROM script_health WHERE script_id = $1`, w.script).Scan(&failures))
		require.Equal(t, 40, failures, "none is lost, none is counted twice")
	}
}

// TestDeliveriesAreBounded: a webhook whose receiver is away has 1,000 deliveries waiting and no more; those that have ended are pruned.
func TestDeliveriesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.DB(t), `{}`)
	mine := hook(t, w.db, &w.tenant, "https://example.org", "schedule.missed")
	w.exec(t, `INSERT INTO script_schedule_ticks (script_id, tenant_id, scheduled_for, outcome) SELECT $1, $2, now() + n * interval '1 second', 'missed' FROM generate_series(1, 1100) n`, w.script, w.tenant)
	count := func() (n int) {
		require.NoError(t, w.db.QueryRow(t.Context(), `SELECT count(*) FROM webhook_deliveries WHERE webhook_id = $1`, mine).Scan(&n))
		return n
	}
	require.Equal(t, webhook.MaxWaiting, count())
	w.exec(t, `UPDATE webhook_deliveries SET status = 'delivered', created_at = now() - random() * interval '1 day'`)
	row, err := w.q.WebhookPruneMany(t.Context(), sqlc.WebhookPruneManyParams{LookAt: 10, Keep: 300})
	require.NoError(t, err)
	require.Equal(t, []any{int64(700), mine, 300}, []any{row.Deleted, row.Last, count()})
	w.exec(t, `UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE id IN (SELECT id FROM webhook_deliveries LIMIT 100)`)
	n, err := w.q.WebhookPrune(t.Context(), 60)
	require.NoError(t, err)
	require.Equal(t, []any{int64(60), 240}, []any{n, count()})
}
