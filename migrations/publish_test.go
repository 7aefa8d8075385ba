package migrations_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

// event is what a publisher gives.
type event struct {
	TenantID  uuid.UUID
	Type      string
	Data      json.RawMessage // empty: null
	ID        string          // empty: one is made
	DeliverAt time.Time       // zero: now
	Depth     int
}

// published is what became of it.
type published struct {
	EventID    string
	Executions int
	Duplicate  bool
}

// The most steps of a chain of events and invocations.
const maxDepth = 16

// publish does what a node does. A full queue is an error here, as it is for applications.
func publish(ctx context.Context, db sqlc.DBTX, e event) (published, error) {
	params := sqlc.EventPublishParams{TenantID: e.TenantID, Type: e.Type, Data: e.Data, Depth: int32(e.Depth)}
	if e.ID != "" {
		params.ID = &e.ID
	}
	if !e.DeliverAt.IsZero() {
		params.DeliverAt = &e.DeliverAt
	}
	if len(e.Data) == 0 {
		params.Data = json.RawMessage("null")
	}
	row, err := sqlc.New(db).EventPublish(ctx, params)
	if err == nil && row.QueueFull {
		err = errQueueFull
	}
	return published{EventID: row.EventID, Executions: int(row.Executions), Duplicate: row.Duplicate}, err
}

var errQueueFull = errors.New("queue full")

// refusedWith says of an error that Postgres gave it with this SQLSTATE.
func refusedWith(t *testing.T, err error, code string) {
	t.Helper()
	var refusal *pgconn.PgError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.Code)
}

// tenant makes a tenant with one active script for each list of subscriptions.
func tenant(t *testing.T, db *pgxpool.Pool, slug string, subscriptions ...[]string) (uuid.UUID, []uuid.UUID) {
	t.Helper()
	var id, org uuid.UUID
	require.NoError(t, db.QueryRow(t.Context(), `INSERT INTO tenants (slug, name) VALUES ($1, $1) RETURNING id`, slug).Scan(&id))
	require.NoError(t, db.QueryRow(t.Context(), `INSERT INTO organizations (tenant_id, name, is_default) VALUES ($1, 'o', true) RETURNING id`, id).Scan(&org))
	scripts := make([]uuid.UUID, len(subscriptions))
	for i, types := range subscriptions {
		require.NoError(t, db.QueryRow(t.Context(), `INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, event_types)
			VALUES ($1, $2, 's' || $3::int, '', 'event', 'active', $4) RETURNING id`, id, org, i, types).Scan(&scripts[i]))
		for _, eventType := range types {
			_, err := db.Exec(t.Context(), `INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type) VALUES ($1, $2, $3)`, scripts[i], id, eventType)
			require.NoError(t, err)
		}
	}
	return id, scripts
}

func pending(t *testing.T, db *pgxpool.Pool, script uuid.UUID) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM script_executions WHERE script_id = $1 AND status = 'pending' AND trigger_type = 'event' AND handler = 'event'`, script).Scan(&n))
	return n
}

func TestPublishReachesEverySubscriberOnce(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, scripts := tenant(t, db, "a", []string{"order.paid"}, []string{"order.*"}, []string{"*"}, []string{"order.refunded"}, []string{"order.paid", "order.*", "*"}, []string{"order.paid"}, []string{"order.paid"})
	_, other := tenant(t, db, "b", []string{"order.paid"})
	_, err := db.Exec(t.Context(), `UPDATE scripts SET status = 'paused' WHERE id = $1`, scripts[5])
	require.NoError(t, err)
	_, err = db.Exec(t.Context(), `UPDATE script_event_subscriptions SET is_active = false WHERE script_id = $1`, scripts[6])
	require.NoError(t, err)

	got, err := publish(t.Context(), db, event{TenantID: a, Type: "order.paid", Data: json.RawMessage(`{"total":12}`), Depth: 3})
	require.NoError(t, err)
	require.Equal(t, 4, got.Executions)
	require.False(t, got.Duplicate)
	for i, want := range []int{1, 1, 1, 0, 1, 0, 0} {
		require.Equal(t, want, pending(t, db, scripts[i]), "script %d", i)
	}
	require.Zero(t, pending(t, db, other[0]), "another tenant's subscriber")

	var input struct {
		ID, Type, Time string
		Data           map[string]int
	}
	var raw json.RawMessage
	var eventID string
	var depth int
	require.NoError(t, db.QueryRow(t.Context(), `SELECT jsruntime_input(tenant_id, event_id, trigger_type, input), event_id, depth FROM script_executions WHERE script_id = $1`, scripts[0]).Scan(&raw, &eventID, &depth))
	require.NoError(t, json.Unmarshal(raw, &input))
	require.Equal(t, got.EventID, input.ID)
	require.Equal(t, got.EventID, eventID)
	require.Equal(t, 3, depth)
	require.Equal(t, "order.paid", input.Type)
	require.Equal(t, 12, input.Data["total"])
	_, err = time.Parse(time.RFC3339, input.Time)
	require.NoError(t, err)

	got, err = publish(t.Context(), db, event{TenantID: a, Type: "order.paid.late"})
	require.NoError(t, err)
	require.Equal(t, 3, got.Executions, "order.* takes what is further below order")
}

func TestPublishOfOneIDFromManyClients(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, scripts := tenant(t, db, "a", []string{"x"}, []string{"x"})
	b, _ := tenant(t, db, "b", []string{"x"})
	var wg sync.WaitGroup
	results := make([]published, 8)
	for i := range results {
		wg.Go(func() {
			var err error
			results[i], err = publish(t.Context(), db, event{TenantID: a, Type: "x", ID: "once"})
			require.NoError(t, err)
		})
	}
	wg.Wait()
	first := 0
	for _, r := range results {
		require.Equal(t, 2, r.Executions)
		require.Equal(t, "once", r.EventID)
		if !r.Duplicate {
			first++
		}
	}
	require.Equal(t, 1, first)
	require.Equal(t, 1, pending(t, db, scripts[0]))
	require.Equal(t, 1, pending(t, db, scripts[1]))

	got, err := publish(t.Context(), db, event{TenantID: b, Type: "x", ID: "once"})
	require.NoError(t, err)
	require.False(t, got.Duplicate, "ids are the tenant's own")

	_, err = db.Exec(t.Context(), `UPDATE script_events SET published_at = now() - interval '25 hours' WHERE tenant_id = $1`, a)
	require.NoError(t, err)
	got, err = publish(t.Context(), db, event{TenantID: a, Type: "x", ID: "once"})
	require.NoError(t, err)
	require.False(t, got.Duplicate, "after a day the id is free")
	require.Equal(t, 2, pending(t, db, scripts[0]))
}

func TestPublishIsTheCallersTransaction(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, scripts := tenant(t, db, "a", []string{"x"})
	tx, err := db.Begin(t.Context())
	require.NoError(t, err)
	var id string
	var executions int
	var duplicate bool
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT * FROM jsruntime_publish_event($1, 'x', '{}', 'rolled-back')`, a).Scan(&id, &executions, &duplicate))
	require.Equal(t, 1, executions)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Zero(t, pending(t, db, scripts[0]))
	require.NoError(t, db.QueryRow(t.Context(), `SELECT * FROM jsruntime_publish_event($1, 'x', '{}', 'rolled-back')`, a).Scan(&id, &executions, &duplicate))
	require.False(t, duplicate)
	require.Equal(t, 1, pending(t, db, scripts[0]))
}

func TestPublishDelayed(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, scripts := tenant(t, db, "a", []string{"x"})
	at := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	_, err := publish(t.Context(), db, event{TenantID: a, Type: "x", DeliverAt: at})
	require.NoError(t, err)
	var runAt time.Time
	require.NoError(t, db.QueryRow(t.Context(), `SELECT run_at FROM script_executions WHERE script_id = $1`, scripts[0]).Scan(&runAt))
	require.True(t, runAt.Equal(at))
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, scripts := tenant(t, db, "a", []string{"*"})
	for name, tc := range map[string]struct {
		event event
		field string // of the message; empty where Postgres itself refuses the text or the JSON
	}{
		"no type":             {event{}, "type"},
		"empty word":          {event{Type: "a..b"}, "type"},
		"trailing dot":        {event{Type: "a."}, "type"},
		"pattern as a type":   {event{Type: "a.*"}, "type"},
		"space":               {event{Type: "a b"}, "type"},
		"line end":            {event{Type: "a\n"}, "type"},
		"256 characters":      {event{Type: strings.Repeat("a", 256)}, "type"},
		"NUL in type":         {event{Type: "a\x00"}, ""},
		"long id":             {event{Type: "a", ID: strings.Repeat("x", 256)}, "id"},
		"control in id":       {event{Type: "a", ID: "a\tb"}, "id"},
		"malformed data":      {event{Type: "a", Data: json.RawMessage(`{`)}, ""},
		"NUL in data":         {event{Type: "a", Data: json.RawMessage(`"\u0000"`)}, ""},
		"deep data":           {event{Type: "a", Data: json.RawMessage(strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000))}, ""},
		"2 MiB of data":       {event{Type: "a", Data: json.RawMessage(`"` + strings.Repeat("x", 2<<20) + `"`)}, "data"},
		"in more than a year": {event{Type: "a", DeliverAt: time.Now().AddDate(2, 0, 0)}, "deliver_at"},
	} {
		tc.event.TenantID = a
		_, err := publish(t.Context(), db, tc.event)
		var invalid *pgconn.PgError
		require.ErrorAs(t, err, &invalid, name)
		if tc.field == "" {
			require.Contains(t, []string{"22P02", "22P05", "54001", "22021"}, invalid.Code, name)
			continue
		}
		require.Equal(t, "JSR04", invalid.Code, name)
		require.Regexp(t, "^"+tc.field+": ", invalid.Message, name)
	}
	_, err := publish(t.Context(), db, event{TenantID: a, Type: "a", Depth: maxDepth + 1})
	refusedWith(t, err, "JSR05")
	_, err = publish(t.Context(), db, event{TenantID: a, Type: "a", Depth: maxDepth})
	require.NoError(t, err)
	_, err = publish(t.Context(), db, event{TenantID: uuid.New(), Type: "a"})
	refusedWith(t, err, "JSR01")
	_, err = db.Exec(t.Context(), `UPDATE tenants SET status = 'suspended' WHERE id = $1`, a)
	require.NoError(t, err)
	_, err = publish(t.Context(), db, event{TenantID: a, Type: "a"})
	refusedWith(t, err, "JSR02")
	require.Equal(t, 1, pending(t, db, scripts[0]))
}

func TestPublishToAFullQueue(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	for _, depth := range []int{3, 1500} { // counted each time; counted now and then
		slug := "depth-" + string(rune('a'+depth%26))
		a, scripts := tenant(t, db, slug, []string{"x"}, []string{"y"})
		_, err := db.Exec(t.Context(), `UPDATE tenants SET plan = jsonb_build_object('max_queue_depth', $2::int) WHERE id = $1`, a, depth)
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), `SELECT jsruntime_publish_event($1, 'y', '1') FROM generate_series(1, $2::int - 1)`, a, depth)
		require.NoError(t, err)
		_, err = publish(t.Context(), db, event{TenantID: a, Type: "x", ID: "fits"})
		require.NoError(t, err)
		// What was counted last may be a second old once the queue is half full.
		_, err = db.Exec(t.Context(), `UPDATE script_queue_depths SET counted_at = counted_at - interval '5 seconds' WHERE tenant_id = $1`, a)
		require.NoError(t, err)
		for range 2 {
			_, err = publish(t.Context(), db, event{TenantID: a, Type: "x", ID: "refused"})
			require.ErrorIs(t, err, errQueueFull)
		}
		_, err = db.Exec(t.Context(), `SELECT jsruntime_publish_event($1, 'x', '1')`, a)
		require.ErrorContains(t, err, "JSR03")
		require.Equal(t, 1, pending(t, db, scripts[0]))
		_, err = publish(t.Context(), db, event{TenantID: a, Type: "nobody.listens"})
		require.NoError(t, err, "an event without subscribers needs no room")

		_, err = db.Exec(t.Context(), `DELETE FROM script_executions WHERE script_id = $1`, scripts[1])
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), `UPDATE script_queue_depths SET counted_at = counted_at - interval '5 seconds' WHERE tenant_id = $1`, a)
		require.NoError(t, err)
		got, err := publish(t.Context(), db, event{TenantID: a, Type: "x", ID: "refused"})
		require.NoError(t, err)
		require.False(t, got.Duplicate, "a refused event left nothing behind")
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	for eventType, want := range map[string][]string{
		"a": {"*", "a"}, "a.b": {"*", "a.*", "a.b"}, "a.b.c": {"*", "a.*", "a.b.*"}, "ab": {"*"}, "b.a": {"*"},
	} {
		var matching []string
		require.NoError(t, db.QueryRow(t.Context(), `SELECT array_agg(p ORDER BY p COLLATE "C") FROM unnest($1::text[]) p WHERE p = ANY (jsruntime_event_patterns($2))`,
			[]string{"*", "a", "a.*", "a.b", "a.b.*", "b", "a.*.c"}, eventType).Scan(&matching))
		require.Equal(t, want, matching, eventType)
	}
}
