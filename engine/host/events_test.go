package host

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/migrations/dbtest"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	woken := 0
	h := newTestHost(t, Config{DB: db, Wake: func() { woken++ }})
	inv, other := newTenant(t, db, "a"), newTenant(t, db, "b")
	inv.Depth, inv.TraceParent = 2, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	_, err := db.Exec(t.Context(), `
		WITH o AS (INSERT INTO organizations (tenant_id, name) VALUES ($1, 'o') RETURNING id),
		s AS (INSERT INTO scripts (tenant_id, organization_id, name, source, type, status) SELECT $1, id, 'on', '', 'event', 'active' FROM o RETURNING id)
		INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type) SELECT id, $1, 'order.*' FROM s`, inv.Script.TenantID)
	require.NoError(t, err)

	require.Equal(t, `{"eventId":"e1","executions":1,"duplicate":false}`,
		call(t, h, inv, "events.publish", `{"type":"order.paid","data":{"n":"a\u0000b\ud800","ok":"\ud83d\ude00"},"id":"e1","delaySeconds":60}`))
	require.Equal(t, `{"eventId":"e1","executions":1,"duplicate":true}`, call(t, h, inv, "events.publish", `{"type":"order.paid","id":"e1"}`))
	require.Equal(t, 1, woken)
	var depth int
	var delayed bool
	var text string
	var traceParent *string
	require.NoError(t, db.QueryRow(t.Context(), `SELECT depth, run_at > now() + interval '50 s', jsruntime_input(tenant_id, event_id, trigger_type, input)->'data'->>'n', traceparent FROM script_executions`).Scan(&depth, &delayed, &text, &traceParent))
	require.Equal(t, &inv.TraceParent, traceParent)
	require.Equal(t, 3, depth)
	require.True(t, delayed)
	require.Equal(t, "a\ufffdb\ufffd", text)
	inv.TraceParent = inv.TraceParent[:53] + "00"
	call(t, h, inv, "events.publish", `{"type":"order.paid","id":"e2"}`)
	require.NoError(t, db.QueryRow(t.Context(), `SELECT traceparent FROM script_executions WHERE event_id = 'e2'`).Scan(&traceParent))
	require.Nil(t, traceParent, "a trace that is not kept")
	require.Contains(t, call(t, h, other, "events.publish", `{"type":"order.paid"}`), `"executions":0`)

	for _, args := range []string{`{}`, `{"type":"a b"}`, `{"type":"a","delaySeconds":-1}`, `{"type":"a","id":"` + strings.Repeat("x", 256) + `"}`} {
		_, err := tryCall(t.Context(), h, inv, "events.publish", args)
		var he *engine.HostError
		require.ErrorAs(t, err, &he, "%.100s", args)
		require.Equal(t, "TypeError", he.Name)
	}
	// The window and the size are those of POST /events.
	require.Contains(t, call(t, h, inv, "events.publish", `{"type":"a","delaySeconds":31622400,"data":"`+strings.Repeat("x", 1<<20-100)+`"}`), "eventId")
	for _, delay := range []string{"31622401", "9007199254740991", "1e300"} {
		_, err := tryCall(t.Context(), h, inv, "events.publish", `{"type":"a","delaySeconds":`+delay+`}`)
		var he *engine.HostError
		require.ErrorAs(t, err, &he, delay)
		require.Equal(t, "RangeError", he.Name)
		require.Equal(t, "events.publish: delaySeconds: at most 366 days ahead", he.Message)
	}
	_, err = tryCall(t.Context(), h, inv, "events.publish", `{"type":"a","data":"`+strings.Repeat("x", 1<<20)+`"}`)
	requireHostError(t, err, "event_too_large")
	inv.Script.Limits.MaxRequestBodyBytes = 1000
	_, err = tryCall(t.Context(), h, inv, "events.publish", `{"type":"a","data":"`+strings.Repeat("x", 1001)+`"}`)
	require.Contains(t, requireHostError(t, err, "event_too_large").Message, "max_request_body_bytes is 1000 bytes")
	inv.Script.Limits.MaxRequestBodyBytes = 1 << 20
	inv.Depth = 16
	_, err = tryCall(t.Context(), h, inv, "events.publish", `{"type":"a"}`)
	require.Equal(t, engine.CodeLoopDetected, requireHostError(t, err, "loop_detected").Fatal)
	inv.Depth = 0
	_, err = db.Exec(t.Context(), `UPDATE tenants SET plan = '{"max_queue_depth": 1}'`)
	require.NoError(t, err)
	_, err = tryCall(t.Context(), h, inv, "events.publish", `{"type":"order.x"}`)
	requireHostError(t, err, "queue_full")
}
