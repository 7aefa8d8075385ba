//go:build linux

package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestHistoryOfTheQueue: what stays of queued executions is their script's choice, with exact usage, a retry and a dead letter that has all it
// needs.
func TestHistoryOfTheQueue(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	n := start(t, nodeConfig{databaseURL: url})
	key := n.tenant("acme")
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer db.Close()
	scripts := map[string]string{}
	for name, history := range map[string]any{
		"all": nil, "none": map[string]any{"store": "none"}, "errors": map[string]any{"store": "errors"}, "bare": map[string]any{"bodies": false},
		"masked": map[string]any{"redact": []string{"$.input.data.card", "$.output.card"}}, "sampled": map[string]any{"sample": 0},
	} {
		scripts[name] = n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
			"name": name, "type": "event", "status": "active", "event_types": []string{"order." + name}, "history": history, "retry": map[string]any{"max_attempts": 2, "backoff_ms": 1},
			"source": `export default { event(e) { console.log("ran"); if (e.data.fail) throw new Error("no"); return e.data; } }`,
		})["id"].(string)
	}
	publish := func(name string, data any) {
		t.Helper()
		n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order." + name, "data": data})
	}
	counted := func(name string, want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			var got int
			require.NoError(t, db.QueryRow(t.Context(), "SELECT COALESCE(sum(executions), 0) FROM script_usage_daily WHERE script_id = $1", scripts[name]).Scan(&got))
			return got == want
		}, time.Minute, 20*time.Millisecond, name)
	}
	kept := func(name string) (executions []map[string]any) {
		t.Helper()
		for _, item := range n.must(200, "GET", "/api/v1/executions?fields=id,input,output&script_id="+scripts[name], key, nil)["items"].([]any) {
			executions = append(executions, item.(map[string]any))
		}
		return executions
	}
	for name := range scripts {
		publish(name, map[string]any{"card": "4111", "n": 1})
		counted(name, 1)
	}
	for name, want := range map[string]int{"all": 1, "none": 0, "errors": 0, "bare": 1, "masked": 1, "sampled": 0} {
		require.Len(t, kept(name), want, name)
		var logs int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM script_execution_logs WHERE script_id = $1", scripts[name]).Scan(&logs))
		require.Equal(t, want, logs, name)
	}
	bare := kept("bare")[0]
	require.Nil(t, bare["input"])
	require.Nil(t, bare["output"])
	status, text := n.try("POST", "/api/v1/executions/"+bare["id"].(string)+"/replay", key, nil)
	require.Equal(t, 409, status)
	require.Contains(t, text, "input_not_kept")
	var input, output json.RawMessage
	require.NoError(t, db.QueryRow(t.Context(), "SELECT input, output FROM script_executions WHERE script_id = $1", scripts["masked"]).Scan(&input, &output))
	require.NotContains(t, string(input)+string(output), "4111")
	require.Equal(t, map[string]any{"card": "[redacted]", "n": 1.0}, kept("masked")[0]["input"].(map[string]any)["data"])

	// A failure: each attempt is counted, the letter holds the event and can be retried, and the executions are kept where the script wants them.
	for name, want := range map[string]int{"none": 0, "errors": 2, "sampled": 2, "masked": 3} {
		publish(name, map[string]any{"card": "4111", "fail": true})
		counted(name, 3)
		require.Len(t, kept(name), want, name)
		letters := n.must(200, "GET", "/api/v1/dead-letters?script_id="+scripts[name], key, nil)["items"].([]any)
		require.Len(t, letters, 1, name)
		id := letters[0].(map[string]any)["id"].(string)
		require.Contains(t, letters[0].(map[string]any)["error"], "no")
		n.must(202, "POST", "/api/v1/dead-letters/"+id+"/retry", key, nil)
		counted(name, 4)
		letter := n.must(200, "GET", "/api/v1/dead-letters/"+id, key, nil)
		require.Equal(t, true, letter["event_data"].(map[string]any)["fail"], "%s: %v", name, letter)
	}
	var raw int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM script_executions WHERE script_id = $1 AND (input::text LIKE '%4111%' OR output::text LIKE '%4111%')", scripts["masked"]).Scan(&raw))
	require.Zero(t, raw, "each attempt is masked")
}
