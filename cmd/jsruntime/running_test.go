//go:build linux

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// stuckSource waits for ever, and leaves a note when it is told to end.
const stuckSource = `import { kv } from "jsruntime";
async function stuck(ctx) {
	ctx.signal.addEventListener("abort", () => kv.put("told:" + ctx.executionId, ctx.signal.reason.message));
	for (;;) await new Promise((r) => setTimeout(r, 50));
}
export default { fetch(request, env, ctx) { return stuck(ctx) }, run(input, env, ctx) { return stuck(ctx) }, event(e, env, ctx) { return stuck(ctx) } }`

// listed waits until as many executions as wanted are listed as running, and returns their ids.
func (n *process) listed(key, query string, want int) (ids []string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		ids = nil
		for _, e := range n.must(200, "GET", "/api/v1/executions?status=running"+query, key, nil)["items"].([]any) {
			ids = append(ids, e.(map[string]any)["id"].(string))
		}
		return len(ids) == want
	}, time.Minute, 200*time.Millisecond)
	return ids
}

// An execution that has run for a second is listed and can be cancelled on any node, for each trigger; its row becomes its ending.
func TestRunningIsSeenAndCancelledOnAnyNode(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	a := start(t, nodeConfig{databaseURL: url})
	key := a.tenant("acme")
	limits := map[string]any{"max_execution_time_ms": 300000}
	a.endpoint(key, "/stuck", stuckSource, limits)
	other := a.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "job", "type": "oneoff", "status": "active", "source": stuckSource, "resource_limits": limits})["id"].(string)
	a.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "listener", "type": "event", "status": "active", "source": stuckSource, "resource_limits": limits, "event_types": []string{"order.made"},
	})
	b := start(t, nodeConfig{databaseURL: url})
	a.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order.made", "data": 1})
	type answer struct {
		what   string
		status int
		text   string
	}
	answers := make(chan answer, 3)
	ask := func(what, method, path string, body any) {
		go func() {
			credential := key
			if what == "http" {
				credential = ""
			}
			status, text := a.try(method, path, credential, body)
			answers <- answer{what, status, text}
		}()
	}
	ask("http", "GET", "/t/acme/stuck?x=1", nil)
	ask("invoke", "POST", "/api/v1/invoke/job", map[string]any{"a": 1})
	ask("wait", "POST", "/api/v1/scripts/"+other+"/executions?wait=true", map[string]any{"input": 7})
	ids := b.listed(key, "", 4)
	for _, id := range ids {
		e := b.must(200, "GET", "/api/v1/executions/"+id, key, nil)
		require.Equal(t, "running", e["status"])
		require.NotNil(t, e["started_at"])
		require.Nil(t, e["completed_at"])
		if e["trigger_type"] == "http" {
			require.Equal(t, "GET", e["input"].(map[string]any)["method"])
		}
		b.must(202, "POST", "/api/v1/executions/"+id+"/cancel", key, nil)
	}
	for range 3 {
		got := <-answers
		switch got.what {
		case "wait":
			require.Equal(t, 200, got.status, got.text)
			require.Contains(t, got.text, `"status":"cancelled"`)
		default:
			require.Equal(t, 503, got.status, got.text)
			require.Equal(t, "cancelled", code(t, got.text))
		}
	}
	for _, id := range ids {
		e := b.ended(key, id)
		require.Equal(t, "cancelled", e["status"])
		require.Equal(t, "cancelled", e["error_code"])
		b.must(409, "POST", "/api/v1/executions/"+id+"/cancel", key, nil)
	}
	b.listed(key, "", 0)
	require.Len(t, b.must(200, "GET", "/api/v1/executions", key, nil)["items"], 4, "one row each")
	require.NotContains(t, a.log.String()+b.log.String(), `"level":"ERROR"`)
}

// What a node ran when it died does not stay running.
func TestRunningOfALostNodeEnds(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	a := start(t, nodeConfig{databaseURL: url})
	key := a.tenant("acme")
	a.endpoint(key, "/stuck", stuckSource, map[string]any{"max_execution_time_ms": 300000})
	b := start(t, nodeConfig{databaseURL: url})
	go a.try("GET", "/t/acme/stuck", "", nil)
	id := b.listed(key, "", 1)[0]
	a.stop(syscall.SIGKILL)
	e := b.ended(key, id)
	require.Equal(t, "failed", e["status"])
	require.Equal(t, "worker_lost", e["error_code"])
	require.Len(t, b.must(200, "GET", "/api/v1/executions", key, nil)["items"], 1)
}

// A script that is deleted while it runs ends quietly, and its history goes with it.
func TestDeleteWhileRunning(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	a := start(t, nodeConfig{databaseURL: url})
	key := a.tenant("acme")
	limits := map[string]any{"max_execution_time_ms": 300000}
	web := a.endpoint(key, "/stuck", stuckSource, limits)
	listener := a.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "listener", "type": "event", "status": "active", "source": stuckSource, "resource_limits": limits, "event_types": []string{"order.made"},
	})["id"].(string)
	b := start(t, nodeConfig{databaseURL: url})
	b.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order.made", "data": 1})
	answer := make(chan string, 1)
	go func() {
		status, text := a.try("GET", "/t/acme/stuck", "", nil)
		answer <- fmt.Sprint(status, " ", text)
	}()
	b.listed(key, "", 2)
	b.must(204, "DELETE", "/api/v1/scripts/"+web, key, nil)
	b.must(204, "DELETE", "/api/v1/scripts/"+listener, key, nil)
	text := <-answer
	require.True(t, strings.HasPrefix(text, "503 "), text)
	require.Contains(t, text, "the script was deleted")
	require.Empty(t, b.must(200, "GET", "/api/v1/executions", key, nil)["items"])
	a.running(0)
	b.running(0)
	a.stop(syscall.SIGTERM) // with all that it still writes
	b.stop(syscall.SIGTERM)
	require.NotContains(t, a.log.String()+b.log.String(), `"level":"ERROR"`)
}

// TestDeleteTenantWhileRunning: what runs of a tenant that is deleted ends, and what it still asks for and writes is no error of the node's.
func TestDeleteTenantWhileRunning(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	limits := map[string]any{"max_execution_time_ms": 300000, "max_api_calls_per_minute": 100000}
	const body = `(async () => { for (;;) {
		try { await kv.put("k", 1); await events.publish("nobody.listens", 1); await scripts.invoke("helper", 1); } catch (e) { console.log(e.message); }
		await new Promise((r) => setTimeout(r, 5));
	} })()`
	const imports = `import { kv, events, scripts } from "jsruntime";` + "\n"
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "helper", "type": "embedded", "status": "active", "source": "export default { run(n) { return n; } }"})
	n.endpoint(key, "/busy", imports+"export default { async fetch() { return "+body+"; } }", limits)
	n.endpoint(key, "/late", imports+"export default { fetch(r, env, ctx) { ctx.waitUntil("+body+"); return new Response(null, { status: 204 }); } }", limits)
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "listener", "type": "event", "status": "active", "source": imports + "export default { async event() { return " + body + "; } }", "resource_limits": limits, "event_types": []string{"order.made"},
	})
	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order.made", "data": 1})
	n.live("/t/acme/late") // and it goes on
	answer := make(chan string, 1)
	go func() {
		status, text := n.try("GET", "/t/acme/busy", "", nil)
		answer <- fmt.Sprint(status, " ", text)
	}()
	n.listed(key, "", 3)
	n.must(204, "DELETE", "/api/v1/tenants/acme", testAdminKey, nil)
	text := <-answer
	require.True(t, strings.HasPrefix(text, "503 "), text)
	n.running(0)
	n.stop(syscall.SIGTERM) // with all that it still writes
	require.NotContains(t, n.log.String(), `"level":"ERROR"`)
}
