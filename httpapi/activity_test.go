package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The activity counts what ran, groups failures that look alike, and shows a tenant its own only.
func TestActivity(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("activity")
	id := acme.post("/api/v1/scripts", map[string]any{"name": "fails", "type": "oneoff", "source": "export default { run() {} }"}).is(201).str("id")
	_, err := n.pool.Exec(t.Context(), `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, error, error_code, error_stack, metrics, queued_at, started_at, completed_at, scheduled_for)
		SELECT (substr(jsruntime_id_floor(now() - make_interval(secs => n))::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, s.id, s.tenant_id, CASE WHEN n < 4 THEN 'failed' ELSE 'completed' END, 'cron',
			CASE WHEN n < 4 THEN 'Error: order ' || n || ' has no items' END, CASE WHEN n < 4 THEN 'exception' END, CASE WHEN n < 4 THEN E'Error: order\n    at Object.run (fails.ts:2:20)' END,
			jsonb_build_object('duration_ms', n, 'cpu_ms', 1, 'queue_ms', 2), now(), now(), now(), now() - make_interval(secs => n * 2)
		FROM scripts s, generate_series(1, 8) n WHERE s.id = $1`, id)
	require.NoError(t, err)
	got := acme.get("/api/v1/activity?hours=1").is(200).json()
	sum := map[string]float64{}
	for _, s := range got["spans"].([]any) {
		for name, v := range s.(map[string]any) {
			if number, ok := v.(float64); ok {
				sum[name] += number
			}
		}
	}
	require.Equal(t, 8.0, sum["runs"])
	require.Equal(t, 3.0, sum["failures"])
	require.Equal(t, 8.0, sum["cpu_ms"])
	require.Equal(t, 6.0, sum["late_ticks"])
	require.GreaterOrEqual(t, sum["p99_ms"], 8.0)
	require.Len(t, got["spans"], 60)
	groups := got["failure_groups"].([]any)
	require.Len(t, groups, 1)
	group := groups[0].(map[string]any)
	require.Equal(t, 3.0, group["count"])
	require.Equal(t, "fails", group["script_name"])
	require.Equal(t, "exception", group["error_code"])
	require.Contains(t, group["message"], "order 1 has no items")
	require.Contains(t, group["place"], ".ts:2:")

	other := n.tenant("activity-other").get("/api/v1/activity").is(200).json()
	require.Empty(t, other["failure_groups"])
	acme.get("/api/v1/activity?hours=0").is(422)
	acme.get("/api/v1/activity?hours=169").is(422)
}
