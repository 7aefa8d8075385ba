package events_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"jsruntime/migrations/dbtest"
	"jsruntime/scheduler/events"
)

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

	got, err := events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "order.paid", Data: json.RawMessage(`{"total":12}`), Depth: 3})
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

	got, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "order.paid.late"})
	require.NoError(t, err)
	require.Equal(t, 3, got.Executions, "order.* takes what is further below order")
}

func TestPublishOfOneIDFromManyClients(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, scripts := tenant(t, db, "a", []string{"x"}, []string{"x"})
	b, _ := tenant(t, db, "b", []string{"x"})
	var wg sync.WaitGroup
	results := make([]events.Published, 8)
	for i := range results {
		wg.Go(func() {
			var err error
			results[i], err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "x", ID: "once"})
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

	got, err := events.Publish(t.Context(), db, events.Event{TenantID: b, Type: "x", ID: "once"})
	require.NoError(t, err)
	require.False(t, got.Duplicate, "ids are the tenant's own")

	_, err = db.Exec(t.Context(), `UPDATE script_events SET published_at = now() - interval '25 hours' WHERE tenant_id = $1`, a)
	require.NoError(t, err)
	got, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "x", ID: "once"})
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
	_, err := events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "x", DeliverAt: at})
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
		event events.Event
		field string
	}{
		"no type":             {events.Event{}, "type"},
		"empty word":          {events.Event{Type: "a..b"}, "type"},
		"trailing dot":        {events.Event{Type: "a."}, "type"},
		"pattern as a type":   {events.Event{Type: "a.*"}, "type"},
		"space":               {events.Event{Type: "a b"}, "type"},
		"line end":            {events.Event{Type: "a\n"}, "type"},
		"256 characters":      {events.Event{Type: strings.Repeat("a", 256)}, "type"},
		"NUL in type":         {events.Event{Type: "a\x00"}, "type"},
		"long id":             {events.Event{Type: "a", ID: strings.Repeat("x", 256)}, "id"},
		"control in id":       {events.Event{Type: "a", ID: "a\tb"}, "id"},
		"malformed data":      {events.Event{Type: "a", Data: json.RawMessage(`{`)}, "data"},
		"NUL in data":         {events.Event{Type: "a", Data: json.RawMessage(`"\u0000"`)}, "data"},
		"deep data":           {events.Event{Type: "a", Data: json.RawMessage(strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000))}, "data"},
		"2 MiB of data":       {events.Event{Type: "a", Data: json.RawMessage(`"` + strings.Repeat("x", 2<<20) + `"`)}, "data"},
		"in more than a year": {events.Event{Type: "a", DeliverAt: time.Now().AddDate(2, 0, 0)}, "deliver_at"},
	} {
		tc.event.TenantID = a
		_, err := events.Publish(t.Context(), db, tc.event)
		var invalid *events.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, tc.field, invalid.Field, name)
	}
	_, err := events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "a", Depth: events.MaxDepth + 1})
	require.ErrorIs(t, err, events.ErrTooDeep)
	_, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "a", Depth: events.MaxDepth})
	require.NoError(t, err)
	_, err = events.Publish(t.Context(), db, events.Event{TenantID: uuid.New(), Type: "a"})
	require.ErrorIs(t, err, events.ErrNoTenant)
	_, err = db.Exec(t.Context(), `UPDATE tenants SET status = 'suspended' WHERE id = $1`, a)
	require.NoError(t, err)
	_, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "a"})
	require.ErrorIs(t, err, events.ErrTenantSuspended)
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
		_, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "x", ID: "fits"})
		require.NoError(t, err)
		// What was counted last may be a second old once the queue is half full.
		_, err = db.Exec(t.Context(), `UPDATE script_queue_depths SET counted_at = counted_at - interval '5 seconds' WHERE tenant_id = $1`, a)
		require.NoError(t, err)
		for range 2 {
			_, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "x", ID: "refused"})
			require.ErrorIs(t, err, events.ErrQueueFull)
		}
		_, err = db.Exec(t.Context(), `SELECT jsruntime_publish_event($1, 'x', '1')`, a)
		require.ErrorContains(t, err, "JSR03")
		require.Equal(t, 1, pending(t, db, scripts[0]))
		_, err = events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "nobody.listens"})
		require.NoError(t, err, "an event without subscribers needs no room")

		_, err = db.Exec(t.Context(), `DELETE FROM script_executions WHERE script_id = $1`, scripts[1])
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), `UPDATE script_queue_depths SET counted_at = counted_at - interval '5 seconds' WHERE tenant_id = $1`, a)
		require.NoError(t, err)
		got, err := events.Publish(t.Context(), db, events.Event{TenantID: a, Type: "x", ID: "refused"})
		require.NoError(t, err)
		require.False(t, got.Duplicate, "a refused event left nothing behind")
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	for _, pattern := range []string{"*", "a", "a.*", "a.b", "a.b.*", "b", "a.*.c"} {
		for _, eventType := range []string{"a", "a.b", "a.b.c", "ab", "b.a"} {
			var matches bool
			require.NoError(t, db.QueryRow(t.Context(), `SELECT $1 = ANY (jsruntime_event_patterns($2))`, pattern, eventType).Scan(&matches))
			require.Equal(t, matches, events.Matches(pattern, eventType), "%s against %s", pattern, eventType)
		}
	}
	for pattern, want := range map[string]bool{"*": true, "a.*": true, "a-1.b_2": true, "": false, "*.a": false, "a*": false, "a.*.b": false, ".": false, "**": false} {
		require.Equal(t, want, events.ValidPattern(pattern), pattern)
	}
}
