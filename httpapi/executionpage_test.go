package httpapi_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestAListGoesThroughPartitions: executions of a year, in partitions and in the default one, with ids that hold the time and with random
// ones, are listed newest first, each once, whatever the pages' size; times and filters hold, and a list needs no statistics.
func TestAListGoesThroughPartitions(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := n.tenant("acme")
	script := c.script("s", nil)
	ctx := context.Background()
	_, err := n.pool.Exec(ctx, `SELECT jsruntime_make_partition('script_executions', day, day + interval '1 day')
		FROM generate_series(date_trunc('day', now(), 'UTC') - interval '20 days', date_trunc('day', now(), 'UTC') - interval '1 day', interval '1 day') day`)
	require.NoError(t, err)
	_, err = n.pool.Exec(ctx, `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, error_code, queued_at, run_at, started_at, completed_at)
		SELECT CASE WHEN e % 4 = 0 THEN ('f' || substr(gen_random_uuid()::text, 2))::uuid ELSE (substr(jsruntime_id_floor(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid END,
			s.id, s.tenant_id, CASE WHEN e % 9 = 0 THEN 'failed' ELSE 'completed' END, (ARRAY['http', 'event', 'cron'])[1 + e % 3], CASE WHEN e % 9 = 0 THEN 'exception' END, at, at, at, at
		FROM scripts s, (SELECT e, date_trunc('second', now() - e * interval '73 hours') AS at FROM generate_series(0, 120) e) e WHERE s.id = $1`, script)
	require.NoError(t, err)
	for _, filter := range []struct{ query, sql string }{
		{"", "true"},
		{"status=failed", "status = 'failed'"},
		{"status=completed&trigger_type=http", "status = 'completed' AND trigger_type = 'http'"},
		{"trigger_type=event", "trigger_type = 'event'"},
		{"script_id=" + script + "&error_code=exception", "error_code = 'exception'"},
		{"script_id=" + script, "true"},
		{"since=2026-01-01T00:00:00Z", "queued_at >= '2026-01-01'"},
		{"event_id=none", "false"},
	} {
		rows, err := n.pool.Query(ctx, "SELECT id FROM script_executions WHERE "+filter.sql+" ORDER BY queued_at DESC")
		require.NoError(t, err)
		want, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		require.NoError(t, err)
		for _, limit := range []string{"7", "200"} {
			got := []uuid.UUID{}
			for cursor := ""; ; {
				page := c.get("/api/v1/executions?limit=" + limit + "&cursor=" + url.QueryEscape(cursor) + "&" + filter.query).is(200)
				for _, item := range page.items() {
					got = append(got, uuid.MustParse(item["id"].(string)))
				}
				if cursor, _ = page.json()["next_cursor"].(string); cursor == "" {
					break
				}
			}
			require.Equal(t, want, append([]uuid.UUID{}, got...), "%s, pages of %s", filter.query, limit)
		}
	}
}
