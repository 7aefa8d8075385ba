package httpapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/record"
)

// TestBodiesAreForDevelopers: a viewer sees that an execution and a dead letter exist, and neither what they got nor what they gave.
func TestBodiesAreForDevelopers(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	viewer, developer := n.key("acme", "viewer"), n.key("acme", "developer")
	acme.do("PUT", "/api/v1/secrets/API", map[string]any{"value": "the-value-of-a-secret"}).is(204)
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	queued := developer.post("/api/v1/scripts/"+id+"/executions", map[string]any{"input": map[string]any{
		"name": "visible-name", "password": "pa55w0rd1", "note": "has the-value-of-a-secret inside",
	}}).is(202).str("id")
	ran := developer.post("/api/v1/scripts/"+id+"/executions?wait=true", map[string]any{"input": "visible-name"}).is(200).str("id")
	letter := n.deadLetter(id)
	require.NoError(t, n.ledger.Flush(context.Background()))
	for _, path := range []string{"/executions/" + queued, "/executions/" + ran, "/executions?fields=id,input,bodies_hidden", "/dead-letters?fields=event_data,bodies_hidden", "/dead-letters/" + letter} {
		seen := viewer.get("/api/v1" + path).is(200)
		require.NotContains(t, string(seen.body), "visible-name", path)
		require.NotContains(t, string(seen.body), "pa55w0rd1", path)
		require.Contains(t, string(seen.body), `"bodies_hidden":true`, path)
		full := developer.get("/api/v1" + path).is(200)
		require.Contains(t, string(full.body), "visible-name", path)
		require.Contains(t, string(full.body), `"bodies_hidden":false`, path)
		require.NotContains(t, string(full.body), "pa55w0rd1", path)
		require.NotContains(t, string(full.body), "the-value-of-a-secret", path)
	}
	// What runs again gets it whole.
	again := developer.post("/api/v1/executions/"+queued+"/replay", nil).is(202).str("id")
	var input string
	require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT input::text FROM script_executions WHERE id = $1", again).Scan(&input))
	require.Contains(t, input, "pa55w0rd1")
	require.Contains(t, input, "the-value-of-a-secret")
}

// TestDeadLettersKeepToTheHistorySetting: what a script masks in its input is masked in its dead letters too.
func TestDeadLettersKeepToTheHistorySetting(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	letter := n.deadLetter(id)
	for path, want := range map[string]string{"$.input.data.name": `{"name":"[redacted]"`, "$.input.data": `"event_data":"[redacted]"`} {
		acme.patch("/api/v1/scripts/"+id, map[string]any{"history": map[string]any{"redact": []string{path}}}).is(200)
		for _, from := range []string{"/api/v1/dead-letters/" + letter, "/api/v1/dead-letters?fields=event_data"} {
			seen := string(acme.get(from).is(200).body)
			require.NotContains(t, seen, "visible-name", path)
			require.Contains(t, seen, want, path)
		}
	}
}

// TestReplayOfACutInputIsRefused: half of an input is another input.
func TestReplayOfACutInputIsRefused(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	long := strings.Repeat("x", 2*record.MaxBodyBytes)
	ran := acme.post("/api/v1/scripts/"+id+"/executions?wait=true", map[string]any{"input": long}).is(200)
	require.Contains(t, string(ran.body), long, "the caller gets its output whole")
	require.NoError(t, n.ledger.Flush(context.Background()))
	stored := acme.get("/api/v1/executions/" + ran.str("id")).is(200)
	require.Less(t, len(stored.body), 3*record.MaxBodyBytes)
	p := acme.post("/api/v1/executions/"+ran.str("id")+"/replay", nil).refused(409, "input_truncated")
	require.Contains(t, p["detail"], "131074 bytes")
	out := acme.post("/api/v1/invoke/echo", `"`+long+`"`).is(200)
	require.Contains(t, string(out.body), long)
}

// deadLetter makes a dead letter of a script.
func (n *node) deadLetter(script string) (id string) {
	n.t.Helper()
	require.NoError(n.t, n.pool.QueryRow(context.Background(), `
		INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error)
		SELECT id, tenant_id, 'a.b', '{"name":"visible-name","password":"pa55w0rd1","note":"the-value-of-a-secret"}', 'it failed' FROM scripts WHERE id = $1 RETURNING id::text`,
		script).Scan(&id))
	return id
}
