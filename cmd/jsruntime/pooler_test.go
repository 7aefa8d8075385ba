//go:build linux

package main

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/dbtest/pgserver"
)

// A node works behind PgBouncer in transaction mode, where no session is its own: endpoints, kv, the queue, events, ticks, lists.
func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	direct, err := url.Parse(dbtest.URL(t))
	require.NoError(t, err)
	if _, password := direct.User.Password(); password {
		t.Skip("this test's PgBouncer knows no passwords")
	}
	port, err := strconv.Atoi(direct.Port())
	require.NoError(t, err)
	pooler := pgserver.NewPooler(t, t.TempDir(), direct.Hostname(), port, direct.User.Username())
	n := start(t, nodeConfig{databaseURL: pooler.URL(strings.TrimPrefix(direct.Path, "/"))})
	key := n.tenant("acme")
	n.endpoint(key, "/count", `import { kv } from "jsruntime";
export default { async fetch() { return new Response("count " + await kv.increment("n")) } }`, nil)
	for i := range 20 {
		status, body := n.try("GET", "/t/acme/count", "", nil)
		require.Equal(t, 200, status, body)
		require.Equal(t, "count "+strconv.Itoa(i+1), body)
	}
	made := map[string]string{}
	for kind, more := range map[string]map[string]any{
		"oneoff":    {"source": `export default { run(input) { return input } }`},
		"event":     {"source": `export default { event(e) { return e.data } }`, "event_types": []string{"order.made"}},
		"scheduled": {"source": `export default { scheduled() { return 1 } }`, "cron_expression": "* * * * * *"},
	} {
		body := map[string]any{"name": kind, "type": kind, "status": "active"}
		for k, v := range more {
			body[k] = v
		}
		made[kind] = n.must(201, "POST", "/api/v1/scripts", key, body)["id"].(string)
	}
	n.must(202, "POST", "/api/v1/scripts/"+made["oneoff"]+"/executions", key, map[string]any{"input": 1})
	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order.made", "data": 1})
	for kind, id := range made {
		require.Eventually(t, func() bool {
			return len(n.must(200, "GET", "/api/v1/executions?status=completed&script_id="+id, key, nil)["items"].([]any)) > 0
		}, time.Minute, 100*time.Millisecond, "no %s script has run", kind)
	}
	require.NotContains(t, n.log.String(), `"level":"ERROR"`)
}
