//go:build linux

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

const callingSource = `import { kv, events, scripts } from "jsruntime";
async function work(env) {
	await kv.put("cart/1", { total: 3 });
	await kv.get("cart/1");
	const answer = await fetch(env.SITE + "/rates?api_key=k3y9&currency=EUR", { method: "POST", body: "hello" });
	const text = await answer.text();
	await fetch("http://169.254.169.254/latest").catch(() => {});
	await events.publish("order.made", 1);
	await scripts.invoke("missing").catch(() => {});
	await kv.list({ prefix: env.API_SECRET });
	return text;
}
export default { async fetch(request, env) { return new Response(await work(env)); }, async event(e, env) { return work(env); }, run: (_, env) => work(env) };`

// TestCallsOfAnExecution: what an execution asked of the node is on record however it was started, without credentials, as its history says.
func TestCallsOfAnExecution(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "seven b")
	}))
	t.Cleanup(site.Close)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--fetch-allow", site.Listener.Addr().String()}})
	key := n.tenant("acme")
	viewer := n.must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": "v", "role": "viewer"})["key"].(string)
	n.must(204, "PUT", "/api/v1/secrets/API_SECRET", key, map[string]any{"value": "s3cretvalue"})
	n.must(204, "PUT", "/api/v1/secrets/SITE", key, map[string]any{"value": site.URL})
	n.endpoint(key, "/calling", callingSource, nil)
	n.live("/t/acme/calling")
	made := func(name, kind string, more map[string]any) string {
		body := map[string]any{"name": name, "type": kind, "status": "active", "source": callingSource}
		for k, v := range more {
			body[k] = v
		}
		return n.must(201, "POST", "/api/v1/scripts", key, body)["id"].(string)
	}
	queued := made("queued", "event", map[string]any{"event_types": []string{"go"}})
	silent := made("silent", "oneoff", map[string]any{"history": map[string]any{"calls": "none"}})
	calls := func(execution, key string) (items []map[string]any) {
		t.Helper()
		for _, item := range n.must(200, "GET", "/api/v1/executions/"+execution+"/calls", key, nil)["items"].([]any) {
			items = append(items, item.(map[string]any))
		}
		return items
	}
	check := func(execution string) {
		t.Helper()
		got := calls(execution, key)
		var kinds []string
		for i, c := range got {
			kinds = append(kinds, c["kind"].(string)+" "+c["operation"].(string))
			require.EqualValues(t, i, c["seq"])
			require.NotEmpty(t, c["started_at"])
			require.NotContains(t, c, "bodies")
		}
		require.Equal(t, []string{"kv put", "kv get", "fetch POST", "fetch GET", "events publish", "scripts invoke", "kv list"}, kinds)
		require.Equal(t, "cart/1", got[0]["target"])
		require.Nil(t, got[0]["status"])
		require.NotContains(t, got[0], "error")
		require.Positive(t, got[0]["request_bytes"])
		require.Equal(t, "[redacted]/rates?api_key=%5Bredacted%5D&currency=EUR", got[2]["target"], "the site's address is a secret of the tenant")
		require.EqualValues(t, http.StatusTeapot, got[2]["status"])
		require.EqualValues(t, 5, got[2]["request_bytes"])
		require.EqualValues(t, 7, got[2]["response_bytes"])
		require.Positive(t, got[2]["duration_ms"])
		require.Equal(t, "http://169.254.169.254/latest", got[3]["target"])
		require.Equal(t, "fetch_blocked", got[3]["error_code"])
		require.Contains(t, got[3]["error"], "TypeError")
		require.Equal(t, "order.made", got[4]["target"])
		require.Equal(t, "script_not_found", got[5]["error_code"])
		require.Equal(t, "[redacted]", got[6]["target"])
		seen := calls(execution, viewer)
		require.Equal(t, "", seen[0]["target"], "a viewer lists no keys")
		require.Equal(t, "[redacted]/rates", seen[2]["target"])
	}

	resp, err := e2eClient.Get(n.base + "/t/acme/calling")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	check(resp.Header.Get("X-Execution-Id"))

	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "go", "data": 1})
	var of string
	require.Eventually(t, func() bool {
		for _, item := range n.must(200, "GET", "/api/v1/executions?status=completed&script_id="+queued, key, nil)["items"].([]any) {
			of = item.(map[string]any)["id"].(string)
		}
		return of != ""
	}, time.Minute, 20*time.Millisecond)
	check(of)

	run := n.must(200, "POST", "/api/v1/scripts/"+silent+"/executions?wait=true", key, map[string]any{})
	require.EqualValues(t, 7, run["metrics"].(map[string]any)["api_calls"])
	require.Empty(t, calls(run["id"].(string), key))
	n.must(404, "GET", "/api/v1/executions/00000000-0000-4000-8000-000000000000/calls", key, nil)
	page := n.must(200, "GET", "/api/v1/executions/"+of+"/calls?limit=3", key, nil)
	next := n.must(200, "GET", "/api/v1/executions/"+of+"/calls?limit=10&cursor="+page["next_cursor"].(string), key, nil)
	require.Len(t, page["items"], 3)
	require.Len(t, next["items"], 4)
	require.Nil(t, next["next_cursor"])
}
