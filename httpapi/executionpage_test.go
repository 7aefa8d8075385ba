package httpapi_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestAListGoesThroughPartitions: executions of a year, in partitions and in the default one, with ids that hold the time and with random
// ones, are listed newest first, each once, whatever the pages' size; times and filters hold, and a list needs no statistics.
func TestAListGoesThroughPartitions(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := n.tenant("acme")
	script := c.script("s", nil)
	ctx := context.Background()
	dbtest.PastDays(t, n.pool, 20, "script_executions")
	_, err := n.pool.Exec(ctx, `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, error_code, queued_at, run_at, started_at, completed_at, http_status, trigger_data, input, error)
		SELECT CASE WHEN e % 4 = 0 THEN ('f' || substr(gen_random_uuid()::text, 2))::uuid ELSE (substr(jsruntime_id_floor(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid END,
			s.id, s.tenant_id, CASE WHEN e % 9 = 0 THEN 'failed' ELSE 'completed' END, (ARRAY['http', 'event', 'cron'])[1 + e % 3], CASE WHEN e % 9 = 0 THEN 'exception' END, at, at, at, at,
			CASE e % 5 WHEN 0 THEN 500 WHEN 1 THEN 503 WHEN 2 THEN 201 END, jsonb_build_object('path', '/orders/' || e),
			jsonb_build_object('url', 'http://x/orders/' || e || '?ref=r' || e % 2), CASE WHEN e % 9 = 0 THEN 'no 100% customer ' || e END
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
		{"http_status=5xx", "http_status >= 500"},
		{"http_status=503", "http_status = 503"},
		{"http_status=503&status=failed&script_id=" + script, "http_status = 503 AND status = 'failed'"},
		{"http_status=2xx", "http_status = 201"},
		{"http_status=404", "false"},
		{"q=ORDERS/7", "trigger_data->>'path' LIKE '/orders/7%'"},
		{"q=100%25+customer", "error IS NOT NULL"},
		{"q=100_", "false"},
		{"q=ref%3Dr1", "input->>'url' LIKE '%r1'"},
		{"q=customer&http_status=5xx", "error IS NOT NULL AND http_status >= 500"},
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

// TestAListSaysHowFarItLooked: a page looks at 20,000 executions, of either kind of ids, and says how far back that was; its cursor goes on from there.
func TestAListSaysHowFarItLooked(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := n.tenant("acme")
	script := c.script("s", nil)
	_, err := n.pool.Exec(t.Context(), `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, queued_at, started_at, completed_at)
		SELECT CASE WHEN e % 2 = 0 THEN ('f' || substr(gen_random_uuid()::text, 2))::uuid ELSE (substr(jsruntime_id_floor(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid END,
			s.id, s.tenant_id, 'completed', 'http', jsonb_build_object('path', CASE WHEN e > 49000 THEN '/needle' ELSE '/' || e END), '{"url": "http://x/?secret=1"}', at, at, at
		FROM scripts s, (SELECT e, date_trunc('second', now() - e * interval '30 seconds') AS at FROM generate_series(1, 49010) e) e WHERE s.id = $1`, script)
	require.NoError(t, err)
	for _, filter := range []string{"q=NEEDLE", "path=/needle"} {
		looked := []any{}
		found := 0
		for cursor := ""; ; {
			page := c.get("/api/v1/executions?limit=200&" + filter + "&cursor=" + url.QueryEscape(cursor)).is(200)
			found += len(page.items())
			looked = append(looked, page.json()["looked_back_to"])
			if cursor, _ = page.json()["next_cursor"].(string); cursor == "" {
				break
			}
			require.NotNil(t, looked[len(looked)-1], "pages that are not full say why")
		}
		require.Equal(t, 10, found, filter)
		require.Len(t, looked, 2, filter)
		require.Nil(t, looked[1], filter)
		back, err := time.Parse(time.RFC3339, looked[0].(string))
		require.NoError(t, err)
		require.Less(t, back, time.Now().Add(-30*39_000*time.Second))
	}
	viewer := n.key("acme", "viewer")
	require.NotEmpty(t, c.get("/api/v1/executions?q=secret&limit=1").is(200).items())
	require.Empty(t, viewer.get("/api/v1/executions?q=secret&limit=1").is(200).items(), "who may not read inputs finds nothing by them")
	for _, bad := range []string{"http_status=600", "http_status=5x", "http_status=abc", "q=a", "q=" + strings.Repeat("a", 201)} {
		c.get("/api/v1/executions?"+bad).refused(422, "validation_failed")
	}
	require.Empty(t, n.tenant("other").get("/api/v1/executions?q=needle").is(200).items())
}
