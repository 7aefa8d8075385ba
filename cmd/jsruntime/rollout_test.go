package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// shares asks an endpoint so often and returns how often each answer came.
func shares(t *testing.T, n *process, path string, times int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range times {
		_, text := n.try("GET", path, "", nil)
		got[text]++
	}
	return got
}

// TestRolloutByPercent: two versions answer side by side on two nodes by their shares, every execution has its version on record, a client that the
// endpoint keeps on one version stays there, and the rest follows when the version goes live.
func TestRolloutByPercent(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	first, second := start(t, nodeConfig{databaseURL: database}), start(t, nodeConfig{databaseURL: database})
	key := first.tenant("acme")
	source := func(text string) string {
		return `let seen = 0; export default { fetch: (r, env, ctx) => new Response("` + text + `"), run: (input, env, ctx) => ctx.version }`
	}
	id := first.endpoint(key, "/v", source("one"), nil)
	first.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"http": map[string]any{"sticky": "header:X-User"}})
	path := "/api/v1/scripts/" + id + "/versions"
	first.must(201, "POST", path, key, map[string]any{"source": source("two"), "tag": "two", "resource_limits": map[string]any{"max_memory_bytes": 33554432}})
	d := first.must(200, "POST", path+"/two/activate", key, map[string]any{"percent": 50})
	require.EqualValues(t, 50, d["percent"])
	for _, n := range []*process{first, second} {
		require.Eventually(t, func() bool { return shares(t, n, "/t/acme/v", 20)["two"] > 0 }, 20*time.Second, 5*time.Millisecond)
		// Of 200 fair decisions, 40 of one kind are eight standard deviations away.
		got := shares(t, n, "/t/acme/v", 200)
		require.Equal(t, 200, got["one"]+got["two"], "%v", got)
		require.Greater(t, min(got["one"], got["two"]), 40, "%v", got)
	}
	// A client keeps its version, on both nodes; clients are divided.
	users := map[string]int{}
	for user := range 40 {
		answers := map[string]bool{}
		for i := range 6 {
			req, err := http.NewRequestWithContext(t.Context(), "GET", []*process{first, second}[i%2].base+"/t/acme/v", nil)
			require.NoError(t, err)
			req.Header.Set("X-User", fmt.Sprint("user ", user))
			resp, err := e2eClient.Do(req)
			require.NoError(t, err)
			var text [3]byte
			_, _ = resp.Body.Read(text[:])
			resp.Body.Close()
			answers[string(text[:])] = true
		}
		require.Len(t, answers, 1)
		for text := range answers {
			users[text]++
		}
	}
	require.Greater(t, min(users["one"], users["two"]), 2, "%v", users)
	// The queue's executions are divided too.
	versions := map[any]int{}
	for range 40 {
		versions[first.must(202, "POST", "/api/v1/scripts/"+id+"/executions", key, map[string]any{})["version"]]++
	}
	require.Greater(t, min(versions[2.0], versions[3.0]), 2, "%v", versions)
	require.Eventually(t, func() bool {
		recorded := map[any]int{}
		for _, e := range first.must(200, "GET", "/api/v1/executions?limit=200&trigger_type=http&status=completed", key, nil)["items"].([]any) {
			recorded[e.(map[string]any)["version"]]++
		}
		return recorded[2.0] > 20 && recorded[3.0] > 20
	}, 20*time.Second, 50*time.Millisecond)

	first.must(200, "POST", path+"/two/activate", key, map[string]any{"percent": 100})
	for _, n := range []*process{first, second} {
		require.Eventually(t, func() bool { return shares(t, n, "/t/acme/v", 20)["one"] == 0 }, 20*time.Second, 5*time.Millisecond)
	}
}

// TestRolloutIsTakenBack: a version that throws is taken back by what two nodes counted together, once, and audit log, deployments and subscribers
// know of it.
func TestRolloutIsTakenBack(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	first, second := start(t, nodeConfig{databaseURL: database}), start(t, nodeConfig{databaseURL: database})
	key := first.tenant("acme")
	id := first.endpoint(key, "/v", `export default { fetch: () => new Response("good") }`, nil)
	listener := first.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "listener", "type": "event", "status": "active", "event_types": []string{"jsruntime.rollout.reverted"}, "source": `export default { event: (e) => e.data }`,
	})["id"].(string)
	path := "/api/v1/scripts/" + id
	first.must(201, "POST", path+"/versions", key, map[string]any{"source": `export default { fetch() { throw new Error("bad") } }`})
	first.must(200, "POST", path+"/versions/2/activate", key, map[string]any{"percent": 50, "auto_rollback": map[string]any{"error_rate": 0.05, "min_runs": 20}})
	// Each node alone sends less than min_runs to the version until it has been taken back.
	require.Eventually(t, func() bool {
		for _, n := range []*process{first, second} {
			n.try("GET", "/t/acme/v", "", nil)
		}
		return first.must(200, "GET", path, key, nil)["candidate"] == nil
	}, 60*time.Second, 10*time.Millisecond)
	d := first.must(200, "GET", path+"/deployments", key, nil)["items"].([]any)[0].(map[string]any)
	require.Equal(t, "reverted", d["status"])
	require.GreaterOrEqual(t, d["runs"], 20.0)
	require.Equal(t, d["runs"], d["failures"])
	require.Contains(t, d["reason"], "which is more than 5 %")
	for _, n := range []*process{first, second} {
		require.Eventually(t, func() bool { return shares(t, n, "/t/acme/v", 40)["good"] == 40 }, 20*time.Second, 5*time.Millisecond)
	}
	require.Len(t, first.must(200, "GET", "/api/v1/audit-log?action=script.revert", key, nil)["items"], 1)
	var told []any
	require.Eventually(t, func() bool {
		told = first.must(200, "GET", "/api/v1/executions?status=completed&fields=output&script_id="+listener, key, nil)["items"].([]any)
		return len(told) > 0
	}, 20*time.Second, 50*time.Millisecond)
	require.Len(t, told, 1)
	output := told[0].(map[string]any)["output"].(map[string]any)
	require.EqualValues(t, 2, output["version"])
	require.EqualValues(t, 1, output["live_version"])
	require.Equal(t, 1, strings.Count(first.log.String()+second.log.String(), "version taken back"))
}
