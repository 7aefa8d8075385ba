package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHealthReport: each thing that is wrong is a reason, and the worst of them is the verdict; another tenant's are none.
func TestHealthReport(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	mine, theirs := n.tenant("mine"), n.tenant("theirs")
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := n.pool.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	report := func(c caller) (verdict any, reasons map[string]any, whole map[string]any) {
		t.Helper()
		whole = c.get("/api/v1/health/report").is(200).json()
		reasons = map[string]any{}
		for _, r := range whole["reasons"].([]any) {
			r := r.(map[string]any)
			require.NotEmpty(t, r["message"])
			reasons[r["code"].(string)] = r["severity"]
		}
		return whole["verdict"], reasons, whole
	}
	verdict, reasons, whole := report(mine)
	require.Equal(t, "ok", verdict)
	require.Empty(t, reasons)
	require.Equal(t, map[string]any{"due": 0.0, "oldest_due_at": nil}, whole["backlog"])

	job := mine.script("job", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "0 0 * * *", "status": "active", "breaker": map[string]any{"failures": 3}})
	mine.post("/api/v1/webhooks", map[string]any{"url": "https://example.org", "events": []string{"script.failing"}}).is(201)

	// Warnings.
	exec(`UPDATE webhooks SET disabled_at = now()`)
	exec(`INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error) SELECT id, tenant_id, 'a.b', '1', 'boom' FROM scripts WHERE id = $1`, job)
	exec(`UPDATE script_scheduled_jobs SET next_run_at = now() - interval '2 minutes' WHERE script_id = $1`, job)
	exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, version, queued_at, run_at)
		SELECT jsruntime_uuid_v7(), id, tenant_id, 'pending', 'manual', 1, now() - interval '3 minutes', now() - interval '3 minutes' FROM scripts WHERE id = $1`, job)
	n.operator().patch("/api/v1/tenants/mine", map[string]any{"plan": map[string]any{"quotas": map[string]any{"executions": map[string]any{"per": "day", "soft": 10, "hard": 20}}}}).is(200)
	exec(`INSERT INTO tenant_usage_daily (tenant_id, day, executions) SELECT id, (now() AT TIME ZONE 'UTC')::date, 12 FROM tenants WHERE slug = 'mine'`)
	verdict, reasons, whole = report(mine)
	require.Equal(t, "warning", verdict)
	require.Equal(t, map[string]any{"webhook_disabled": "warning", "dead_letters": "warning", "schedule_late": "warning", "backlog": "warning", "quota_warning": "warning"}, reasons)
	require.Equal(t, 1.0, whole["backlog"].(map[string]any)["due"])
	require.Equal(t, "job", whole["late_schedules"].([]any)[0].(map[string]any)["script_name"])

	// Failures: by what went wrong.
	for i, message := range []string{"no order 17", "no order 4711", "timeout after 30 ms", "no order 9"} {
		exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, version, error_code, error, queued_at, completed_at)
			SELECT jsruntime_uuid_v7(), id, tenant_id, 'failed', 'cron', 1, 'exception', $2, now(), now() FROM scripts WHERE id = $1`, job, message+"\n at line "+message)
		exec(`SELECT jsruntime_script_failures(ARRAY[$1::uuid], ARRAY[1], ARRAY[1::bigint], ARRAY['exception'])`, job)
		_, reasons, _ = report(mine)
		require.Equal(t, i >= 2, reasons["script_failing"] != nil, "after %d", i+1)
	}
	verdict, reasons, whole = report(mine)
	require.Equal(t, "failing", verdict)
	require.Equal(t, "failing", reasons["breaker_open"])
	failing := whole["failing"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"job", 4.0, "exception"}, []any{failing["script_name"], failing["failures"], failing["error_code"]})
	require.NotNil(t, failing["breaker_opened_at"])
	groups := failing["errors"].([]any)
	require.Len(t, groups, 2)
	require.Equal(t, []any{"no order N", 3.0}, []any{groups[0].(map[string]any)["message"], groups[0].(map[string]any)["count"]})

	exec(`UPDATE scripts SET quarantined_until = now() + interval '1 minute', quarantine_reason = 'it kills' WHERE id = $1`, job)
	exec(`UPDATE tenant_usage_daily SET executions = 20`)
	_, reasons, whole = report(mine)
	require.Equal(t, "failing", reasons["script_quarantined"])
	require.Equal(t, "failing", reasons["quota_exceeded"])
	require.Equal(t, "it kills", whole["quarantined"].([]any)[0].(map[string]any)["quarantine_reason"])

	verdict, reasons, _ = report(theirs)
	require.Equal(t, "ok", verdict)
	require.Empty(t, reasons)
	verdict, _, _ = report(n.operator().in("mine"))
	require.Equal(t, "failing", verdict)
	n.operator().get("/api/v1/health/report").refused(400, "tenant_required")

	// Mended, one after another.
	exec(`UPDATE scripts SET quarantined_until = NULL WHERE id = $1`, job)
	exec(`DELETE FROM script_health`)
	exec(`DELETE FROM script_event_dead_letters`)
	exec(`DELETE FROM script_executions`)
	exec(`DELETE FROM webhooks`)
	exec(`DELETE FROM tenant_usage_daily`)
	exec(`UPDATE script_scheduled_jobs SET next_run_at = now() + interval '2 minutes'`)
	verdict, reasons, _ = report(mine)
	require.Equal(t, "ok", verdict)
	require.Empty(t, reasons)
}
