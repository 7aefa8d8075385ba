package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// priced is a price rule. The candidate of TestCompare has another one, fails for one input, and would write, publish, invoke and fetch.
const priced = `import { kv, events, scripts } from "jsruntime";
export default { async run(input, env) {
	const rate = await (await fetch(env.SITE + "/rate?of=" + input.n, { method: "POST", body: String(input.n) })).json();
	const seen = await kv.increment("seen");
	await kv.put("last", input.n);
	await events.publish("priced", input.n);
	await scripts.invoke("audit", input).catch(() => null);
	if (CANDIDATE && input.n === 2) throw new Error("no price for " + input.n);
	return { n: input.n, price: input.n * rate.factor + (CANDIDATE && input.n > 3 ? 1 : 0), again: seen > 0, last: await kv.get("last") };
} };`

func compared(t *testing.T, n *process, key, location string) map[string]any {
	t.Helper()
	var c map[string]any
	require.Eventually(t, func() bool {
		c = n.must(200, "GET", location, key, nil)
		return c["status"] != "pending" && c["status"] != "running"
	}, time.Minute, 50*time.Millisecond)
	return c
}

// TestCompare: a version runs on what is on record, says what it does otherwise, and nothing of it leaves.
func TestCompare(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"factor":10,"of":%q}`, body)
	}))
	t.Cleanup(site.Close)
	url := dbtest.URL(t)
	n := start(t, nodeConfig{databaseURL: url, args: []string{"--fetch-allow", site.Listener.Addr().String()}})
	key := n.tenant("acme")
	viewer := n.must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": "v", "role": "viewer"})["key"].(string)
	n.must(204, "PUT", "/api/v1/secrets/SITE", key, map[string]any{"value": site.URL})
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "audit", "type": "embedded", "status": "active", "source": `export default { run() { return 1 } }`})
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "price", "type": "oneoff", "status": "active", "source": "const CANDIDATE = false;" + priced, "history": map[string]any{"calls": "bodies"},
		"resource_limits": map[string]any{"max_api_calls_per_minute": 600},
	})["id"].(string)
	for i := 1; i <= 5; i++ {
		n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{"n": i}})
	}
	n.must(201, "POST", "/api/v1/scripts/"+id+"/versions", key, map[string]any{"source": "const CANDIDATE = true;" + priced})
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer db.Close()
	count := func(what string) (n int) {
		t.Helper()
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+what).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return count("script_executions") == 10 }, time.Minute, 20*time.Millisecond, "five runs, and the five that they invoked")
	live, executions, events := fetched.Load(), count("script_executions"), count("script_events")
	require.Equal(t, 5, events)
	usage := func() float64 {
		return n.must(200, "GET", "/api/v1/usage", key, nil)["total"].(map[string]any)["executions"].(float64)
	}
	before := usage()

	path := "/api/v1/scripts/" + id + "/versions/2/compare"
	status, text := n.try("POST", path, viewer, map[string]any{})
	require.Equal(t, 403, status, text)
	status, text = n.try("POST", path, key, map[string]any{"last": 201})
	require.Equal(t, 422, status, text)
	started := n.must(202, "POST", path, key, map[string]any{"last": 4, "fetch": "record", "status": "completed"})
	location := "/api/v1/comparisons/" + started["id"].(string)
	c := compared(t, n, key, location)
	require.Equal(t, "completed", c["status"], c)
	require.Equal(t, []any{4.0, 1.0, 2.0, 1.0, 0.0}, []any{c["total"], c["same"], c["different"], c["failed"], c["skipped"]}, c)
	items := c["items"].([]any)
	require.Len(t, items, 4)
	results := map[float64]map[string]any{}
	for i, item := range items {
		results[float64(5-i)] = item.(map[string]any)
	}
	require.Equal(t, "same", results[3]["result"])
	require.NotContains(t, results[3], "diff")
	require.Equal(t, "different", results[5]["result"])
	require.Contains(t, results[5]["diff"], `-    "price": 50`)
	require.Contains(t, results[5]["diff"], `+    "price": 51`)
	require.Equal(t, "failed", results[2]["result"])
	require.Equal(t, "exception", results[2]["candidate"].(map[string]any)["error_code"])
	require.Contains(t, results[2]["diff"], "no price for 2")
	var kinds []string
	for _, call := range results[5]["candidate"].(map[string]any)["calls"].([]any) {
		kinds = append(kinds, call.(map[string]any)["kind"].(string)+" "+call.(map[string]any)["operation"].(string))
	}
	require.Equal(t, []string{"fetch POST", "kv increment", "kv put", "events publish", "scripts invoke", "kv get"}, kinds)
	for _, side := range []string{"recorded", "candidate"} {
		require.Positive(t, c["costs"].(map[string]any)[side].(map[string]any)["duration_ms"], side)
	}
	// Nothing has left, and what it cost is counted.
	require.Equal(t, live, fetched.Load())
	require.Equal(t, executions, count("script_executions"))
	require.Equal(t, events, count("script_events"))
	require.Equal(t, 1, count("script_kv WHERE key = 'seen' AND value = '5'"))
	require.Equal(t, 1, count("script_kv WHERE key = 'last' AND value = '5'"))
	require.Eventually(t, func() bool { return usage() == before+4 }, time.Minute, 50*time.Millisecond)
	require.Contains(t, fmt.Sprint(n.must(200, "GET", "/api/v1/audit-log", key, nil)), "version.compare")
	status, text = n.try("GET", location, viewer, nil)
	require.Equal(t, 403, status, text)

	// Without fetch every run differs; live it is as it was.
	denied := compared(t, n, key, "/api/v1/comparisons/"+n.must(202, "POST", path, key, map[string]any{"last": 2})["id"].(string))
	require.Equal(t, 2.0, denied["failed"], denied)
	require.Contains(t, fmt.Sprint(denied["items"]), "the comparison refuses every fetch")
	require.Equal(t, live, fetched.Load())
	sent := compared(t, n, key, "/api/v1/comparisons/"+n.must(202, "POST", "/api/v1/scripts/"+id+"/versions/1/compare", key, map[string]any{"last": 2, "fetch": "live"})["id"].(string))
	require.Equal(t, 2.0, sent["same"], sent)
	require.Equal(t, live+2, fetched.Load())

	// A tenant has one at a time, and one whose node is gone has failed.
	_, err = db.Exec(t.Context(), `INSERT INTO script_comparisons (id, tenant_id, script_id, version_number, status, options, node_id, lease_expires_at)
		SELECT '0190a000-0000-7000-8000-000000000001', tenant_id, id, 1, 'running', '{"last": 1, "fetch": "deny"}', id, now() + interval '3 seconds' FROM scripts WHERE id = $1`, id)
	require.NoError(t, err)
	status, text = n.try("POST", path, key, map[string]any{})
	require.Equal(t, 409, status)
	require.Contains(t, text, "comparison_running")
	lost := compared(t, n, key, "/api/v1/comparisons/0190a000-0000-7000-8000-000000000001")
	require.Equal(t, []any{"failed", "the node that ran it was lost"}, []any{lost["status"], lost["error"]})
	n.must(404, "GET", "/api/v1/comparisons/0190a000-0000-7000-8000-000000000002", key, nil)
	n.must(404, "POST", "/api/v1/scripts/"+id+"/versions/9/compare", key, map[string]any{})

	// A namespace of kv is a prefix of keys, and belongs to a version.
	spaced := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "spaced", "type": "oneoff", "status": "active", "kv_namespaces": map[string]any{"SHOP": map[string]any{}, "ALL": map[string]any{"prefix": ""}},
		"source": `export default { async run(input, env) { await env.SHOP.put("k", input); return [await env.SHOP.get("k"), (await env.ALL.list({ prefix: "SHOP/" })).keys.map((k) => k.name)]; } }`,
	})
	require.Equal(t, map[string]any{"SHOP": map[string]any{"prefix": "SHOP/"}, "ALL": map[string]any{"prefix": ""}}, spaced["kv_namespaces"])
	ran := func(version string) any {
		return n.must(200, "POST", "/api/v1/scripts/"+spaced["id"].(string)+version+"/executions?wait=true", key, map[string]any{"input": "v"})["output"]
	}
	require.Equal(t, []any{"v", []any{"SHOP/k"}}, ran(""))
	require.Equal(t, "v", n.must(200, "GET", "/api/v1/kv/SHOP%2Fk", key, nil)["value"])
	patched := n.must(200, "PATCH", "/api/v1/scripts/"+spaced["id"].(string), key, map[string]any{"kv_namespaces": map[string]any{"SHOP": map[string]any{"prefix": "other/"}}})
	require.EqualValues(t, 2, patched["version"], "it decides behaviour")
	require.Equal(t, []any{"v", []any{"SHOP/k"}}, ran(""))
	require.Equal(t, "v", n.must(200, "GET", "/api/v1/kv/other%2Fk", key, nil)["value"])
	require.Equal(t, []any{"v", []any{"SHOP/k"}}, ran("/versions/1"))
	status, text = n.try("PATCH", "/api/v1/scripts/"+spaced["id"].(string), key, map[string]any{"kv_namespaces": map[string]any{"not a name": map[string]any{}}})
	require.Equal(t, 422, status, text)
	require.Contains(t, text, "kv_namespaces")
}
