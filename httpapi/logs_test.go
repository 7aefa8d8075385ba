package httpapi_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

// TestLogOfAFailedRunEndsWithItsError: whatever ended it, and wherever a page of the log ends.
func TestLogOfAFailedRunEndsWithItsError(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("job", map[string]any{"type": "embedded", "status": "active"})
	lines := 0
	result := engine.Result{}
	n.exec.set(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		res := result
		res.Began, res.StartedAt, res.EndedAt = true, time.Now(), time.Now()
		for i := range lines {
			res.Logs = append(res.Logs, engine.LogLine{Seq: i + 1, Level: "info", Message: fmt.Sprint("line ", i+1), At: time.Now()})
		}
		return &res, nil
	})
	run := func() string {
		ran := acme.post("/api/v1/scripts/"+id+"/executions?wait=true", map[string]any{}).is(200).str("id")
		require.NoError(t, n.ledger.Flush(t.Context()))
		return ran
	}
	// all reads a log to its end.
	all := func(execution string, limit int) (items []map[string]any) {
		for cursor := ""; ; {
			page := acme.get(fmt.Sprintf("/api/v1/executions/%s/logs?limit=%d&cursor=%s", execution, limit, cursor)).is(200)
			require.LessOrEqual(t, len(page.items()), limit)
			items = append(items, page.items()...)
			next, ok := page.json()["next_cursor"].(string)
			if !ok {
				return items
			}
			cursor = next
		}
	}

	require.Empty(t, all(run(), 5), "it completed and wrote nothing")
	result = engine.Result{Code: engine.CodeException, Message: "Error: no", Stack: "Error: no\n    at run (job.ts:1:2)"}
	for lines = range 5 {
		failed := run()
		for limit := 1; limit <= 6; limit++ {
			items := all(failed, limit)
			require.Len(t, items, lines+1)
			for i, item := range items {
				require.EqualValues(t, i+1, item["seq"])
			}
			require.Equal(t, "error", items[lines]["level"])
			require.Equal(t, "exception: Error: no\n    at run (job.ts:1:2)", items[lines]["message"])
			require.NotEmpty(t, items[lines]["at"])
		}
	}
	result = engine.Result{Code: engine.CodeExceededWallTime, Message: "max_execution_time_ms: limit 10 ms, observed 12 ms"}
	require.Equal(t, "exceeded_wall_time: max_execution_time_ms: limit 10 ms, observed 12 ms", all(run(), 50)[4]["message"])

	// No engine ended these.
	waiting := acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{}).is(202).str("id")
	require.Empty(t, all(waiting, 5))
	acme.post("/api/v1/executions/"+waiting+"/cancel", nil).is(202)
	require.Equal(t, "cancelled: cancelled through the API", all(waiting, 5)[0]["message"])
	lost := acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{}).is(202).str("id")
	_, err := n.pool.Exec(t.Context(), `UPDATE script_executions SET status = 'failed', started_at = now(), completed_at = now(), error = 'the node that ran it was lost', error_code = 'worker_lost' WHERE id = $1`, lost)
	require.NoError(t, err)
	require.Equal(t, "worker_lost: the node that ran it was lost", all(lost, 5)[0]["message"])
}
