package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNodesShowTheirLoad(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	newest := `{"running": 1, "concurrency": 64, "workers": {"starting": 0, "spare": 2, "idle": 3, "busy": 1, "parked": 4, "isolates": 9, "tenants": 5},
		"executions": {"running": 7, "queued": 2}, "history": {"backlog_rows": 10, "backlog_bytes": 2048},
		"engine": {"v8_version": "13.6.233.10-v8go", "jit": "baseline", "icu_version": "74.2", "tzdata_version": "2025a"}}`
	for host, load := range map[string]string{"newest": newest, "older": `{"running": 3, "concurrency": 64}`, "odd": `["what a later version says"]`} {
		_, err := n.pool.Exec(t.Context(), "INSERT INTO nodes (id, hostname, version, load) VALUES (gen_random_uuid(), $1, 'v', $2)", host, load)
		require.NoError(t, err)
	}
	loads := map[string]any{}
	for _, node := range n.operator().get("/api/v1/nodes").is(200).items() {
		loads[node["hostname"].(string)] = node["load"]
		if node["hostname"] != "newest" {
			require.NotContains(t, node, "v8_version")
			require.NotContains(t, node, "v8_age_days")
			continue
		}
		require.Equal(t, []any{"13.6.233.10-v8go", "baseline", "74.2", "2025a"}, []any{node["v8_version"], node["jit"], node["icu_version"], node["tzdata_version"]})
		require.Greater(t, node["v8_age_days"], 500.0)
	}
	require.Equal(t, map[string]any{
		"newest": map[string]any{
			"running": 1.0, "concurrency": 64.0,
			"workers":    map[string]any{"starting": 0.0, "spare": 2.0, "idle": 3.0, "busy": 1.0, "parked": 4.0, "isolates": 9.0, "tenants": 5.0},
			"executions": map[string]any{"running": 7.0, "queued": 2.0},
			"history":    map[string]any{"backlog_rows": 10.0, "backlog_bytes": 2048.0},
		},
		"older": map[string]any{"running": 3.0, "concurrency": 64.0},
		"odd":   map[string]any{"running": 0.0, "concurrency": 0.0},
	}, loads)
}
