package httpapi_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

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

// Scripts that failed lately are told by their counts, which are exact, and are found by them.
func TestScriptActivity(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme, other := n.tenant("acme"), n.tenant("other")
	fails, works, idle := acme.script("fails", nil), acme.script("works", nil), acme.script("idle", nil)
	foreign := other.script("foreign", nil)
	for _, s := range []string{
		`INSERT INTO script_usage_daily (tenant_id, script_id, day, outcome, executions)
			SELECT s.tenant_id, s.id, (now() AT TIME ZONE 'UTC')::date - x.ago, x.outcome, x.n FROM scripts s
			JOIN (VALUES ('fails', 0, 'completed', 6), ('fails', 1, 'exception', 3), ('fails', 0, 'cancelled', 1), ('fails', 5, 'exception', 100),
				('works', 0, 'completed', 9), ('works', 2, 'exception', 9), ('foreign', 0, 'exception', 4)) x(name, ago, outcome, n) ON x.name = s.name`,
		`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, error_code, queued_at, started_at, completed_at)
			SELECT (substr(jsruntime_id_floor(now() - make_interval(mins => m))::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, s.id, s.tenant_id,
				CASE m WHEN 1 THEN 'failed' ELSE 'completed' END, 'manual', CASE m WHEN 1 THEN 'exception' END, now() - make_interval(mins => m), now(), now()
			FROM scripts s, generate_series(1, 3) m WHERE s.name IN ('fails', 'foreign')`,
		`INSERT INTO script_health (script_id, tenant_id, failures, completed_day, completed, failing_since) SELECT id, tenant_id, 5, now(), 0, now() FROM scripts WHERE name = 'fails'`,
	} {
		_, err := n.pool.Exec(t.Context(), s)
		require.NoError(t, err)
	}
	items := acme.get("/api/v1/scripts/activity?ids=" + works + "," + fails + "," + idle + "," + foreign + ",00000000-0000-7000-8000-000000000000").items()
	require.Len(t, items, 3)
	first, second, third := items[0], items[1], items[2]
	require.Equal(t, []any{works, 9.0, 0.0, nil}, []any{first["script_id"], first["executions"], first["failures"], first["last_status"]})
	require.Equal(t, []any{fails, 10.0, 3.0, "failed", "exception"}, []any{second["script_id"], second["executions"], second["failures"], second["last_status"], second["last_error_code"]})
	require.NotNil(t, second["failing_since"])
	require.Equal(t, []any{idle, 0.0, nil, nil}, []any{third["script_id"], third["executions"], third["failing_since"], third["last_execution_id"]})

	found := acme.get("/api/v1/scripts?failed=true&fields=name").items()
	require.Equal(t, []map[string]any{{"name": "fails"}}, found)
	require.Len(t, acme.get("/api/v1/scripts").items(), 3)

	require.Equal(t, "query.ids", acme.get("/api/v1/scripts/activity?ids=x").refused(422, "validation_failed")["errors"].([]any)[0].(map[string]any)["location"])
	acme.get("/api/v1/scripts/activity").is(422)
	acme.get("/api/v1/scripts/activity?ids=" + strings.Repeat(works+",", 200) + works).is(422)
}

// A schedule that is not saved says when it would fall due, and what is wrong with it by the field.
func TestSchedulePreview(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	preview := func(expr, zone string) answer {
		return acme.get("/api/v1/schedules/preview?" + url.Values{"cron_expression": {expr}, "timezone": {zone}}.Encode())
	}
	got := preview("30 2 * * *", "Europe/Berlin").is(200).json()
	ticks := got["ticks"].([]any)
	require.Len(t, ticks, 5)
	before := time.Now()
	for _, raw := range ticks {
		tick := raw.(map[string]any)
		at, err := time.Parse(time.RFC3339, tick["at"].(string))
		require.NoError(t, err)
		local, err := time.Parse(time.RFC3339, tick["local"].(string))
		require.NoError(t, err)
		require.True(t, at.Equal(local) && at.After(before), "%v", tick)
		require.Regexp(t, `T0[23]:[03]0:00\+0[12]:00$`, tick["local"])
		before = at
	}
	// The same ticks as the schedule has once it is saved.
	id := acme.script("nightly", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "30 2 * * *", "timezone": "Europe/Berlin", "status": "active"})
	saved := acme.get("/api/v1/scripts/" + id + "/schedule").is(200).json()["upcoming"].([]any)
	for i, raw := range preview("30 2 * * *", "Europe/Berlin").is(200).json()["ticks"].([]any) {
		require.Equal(t, saved[i], raw.(map[string]any)["at"])
	}
	// 29 February: years ahead.
	require.Equal(t, "02-29", preview("0 0 29 2 *", "UTC").is(200).json()["ticks"].([]any)[0].(map[string]any)["at"].(string)[5:10])
	for _, c := range []struct{ expr, zone, field string }{
		{"61 * * * *", "UTC", "query.cron_expression"}, {"* * *", "UTC", "query.cron_expression"}, {"0 0 31 2 *", "UTC", "query.cron_expression"},
		{"TZ=UTC 0 0 * * *", "UTC", "query.cron_expression"}, {"0 0 * * *", "Mars/Olympus", "query.timezone"}, {"0 0 * * *", "localtime", "query.timezone"},
		{strings.Repeat("*", 256), "UTC", "query.cron_expression"}, {"0 0 * * *", strings.Repeat("x", 101), "query.timezone"},
	} {
		refused := preview(c.expr, c.zone).refused(422, "validation_failed")
		require.Equal(t, c.field, refused["errors"].([]any)[0].(map[string]any)["location"], "%s %s", c.expr, c.zone)
	}
	acme.get("/api/v1/schedules/preview").is(422)
}
