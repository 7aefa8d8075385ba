//go:build linux

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestAQuotaHoldsOverNodes: two nodes together serve what the plan allows and hardly more, whatever begins afterwards is refused, skipped or waits,
// and goes on once the plan is raised. Usage is the sum of what is on record, also when a node is killed.
func TestAQuotaHoldsOverNodes(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	nodes := []*process{start(t, nodeConfig{databaseURL: url}), start(t, nodeConfig{databaseURL: url})}
	first := nodes[0]
	key := first.tenant("acme")
	first.endpoint(key, "/hello", `export default { fetch() { return new Response("hello") } }`, nil)
	job := first.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "job", "type": "oneoff", "status": "active", "source": `export default { run() { return 1 } }`})["id"].(string)
	first.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "warned", "type": "event", "status": "active", "event_types": []string{"quota.warning"}, "source": `export default { event(e) { return e } }`,
	})
	for _, n := range nodes {
		n.live("/t/acme/hello")
	}
	plan := func(hard, soft int) {
		t.Helper()
		first.must(200, "PATCH", "/api/v1/tenants/acme", testAdminKey, map[string]any{"plan": map[string]any{"quotas": map[string]any{"executions": map[string]any{"per": "month", "hard": hard, "soft": soft}}}})
	}
	const hard = 1000
	plan(hard, 500)

	var served, refused atomic.Int64
	var clients sync.WaitGroup
	for _, n := range nodes {
		for range 4 {
			clients.Go(func() {
				// A request in 20 ms of each: the thousand take several flushes, on a machine whose flushes are slow, too.
				pace := time.NewTicker(20 * time.Millisecond)
				defer pace.Stop()
				for refusals := 0; refusals < 20; <-pace.C {
					switch status, text := n.try("GET", "/t/acme/hello", "", nil); {
					case status == 200:
						served.Add(1)
					case status == 429 && code(t, text) == "quota_exceeded":
						refused.Add(1)
						refusals++
					default:
						t.Errorf("%d %s", status, text)
						return
					}
				}
			})
		}
	}
	clients.Wait()
	require.Positive(t, refused.Load())
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	count := func(what string) (n int64) {
		t.Helper()
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT COALESCE(("+what+"), 0)::bigint").Scan(&n))
		return n
	}
	const rows, usage, totals = `SELECT count(*) FROM script_executions WHERE status NOT IN ('pending', 'running')`, `SELECT sum(executions) FROM script_usage_daily`, `SELECT sum(executions) FROM tenant_usage_daily`
	require.Eventually(t, func() bool {
		return count(usage) >= hard && count(usage) == count(rows) && count(totals) == count(usage)
	}, time.Minute, 20*time.Millisecond)

	// Each node alone would have served as many. What is beyond the mark one of them admitted before it knew of the other's last flush: how many
	// that are is told by the clock of a loaded machine, and is logged beside the largest flush. Rows of one flush have one transaction.
	flush := count(`SELECT max(f.n) FROM (SELECT count(*) AS n FROM script_executions GROUP BY xmin) f`)
	t.Logf("over the mark by %d; the largest flush had %d rows", served.Load()-hard, flush)
	require.LessOrEqual(t, served.Load()-hard, int64(hard/2))

	status, text := nodes[1].try("POST", "/api/v1/scripts/"+job+"/executions?wait=true", key, map[string]any{})
	require.Equal(t, []any{429, "quota_exceeded"}, []any{status, code(t, text)})
	require.Contains(t, text, "executions: the tenant's quota is 1000 a month")
	waiting := first.must(202, "POST", "/api/v1/scripts/"+job+"/executions", key, map[string]any{})["id"].(string)
	tick := first.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "tick", "type": "scheduled", "status": "active", "cron_expression": "* * * * * *", "source": `export default { scheduled() {} }`,
	})["id"].(string)
	require.Eventually(t, func() bool {
		return count(`SELECT count(*) FROM script_schedule_ticks WHERE outcome = 'skipped_quota' AND script_id = '`+tick+`'`) >= 2
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, "pending", first.must(200, "GET", "/api/v1/executions/"+waiting, key, nil)["status"])
	shown := first.must(200, "GET", "/api/v1/usage", key, nil)["quotas"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"executions", "month", "exceeded", "plan"}, []any{shown["name"], shown["per"], shown["state"], shown["level"]})
	require.GreaterOrEqual(t, shown["used"], float64(hard))
	first.must(201, "POST", "/api/v1/tenants", testAdminKey, map[string]any{"slug": "other", "name": "Other"})

	plan(1_000_000, 500)
	require.Equal(t, "completed", first.ended(key, waiting)["status"])
	require.Eventually(t, func() bool {
		return count(`SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'warned' AND e.status = 'completed'`) == 1
	}, time.Minute, 20*time.Millisecond, "one warning for both nodes")

	// A node is killed under load: what it had not written is neither on record nor in the usage.
	for range 4 {
		clients.Go(func() {
			for range 2000 {
				if status, _ := nodes[1].try("GET", "/t/acme/hello", "", nil); status != 200 {
					return
				}
			}
		})
	}
	before := count(usage)
	require.Eventually(t, func() bool { return count(usage) > before+50 }, time.Minute, time.Millisecond)
	nodes[1].stop(syscall.SIGKILL)
	clients.Wait()
	first.must(200, "PATCH", "/api/v1/scripts/"+tick, key, map[string]any{"status": "paused"})
	require.Eventually(t, func() bool { return count(usage) == count(rows) && count(totals) == count(usage) }, time.Minute, 50*time.Millisecond,
		"usage is the sum of the rows")
	require.EqualValues(t, 1, count(`SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'warned'`))
}
