package migrations_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestLeasesAreFoundByTheirIDs: statistics that autovacuum took of an empty queue do not make the planner walk another index of the queue for each
// execution of a batch.
func TestLeasesAreFoundByTheirIDs(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `ALTER TABLE script_execution_queue SET (autovacuum_enabled = off)`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, started_at, lease_expires_at, lease_token, version, trigger_type)
		SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), now(), now() + interval '1 minute', gen_random_uuid(), 1, 'cron' FROM generate_series(1, 3000)`)
	require.NoError(t, err)
	defer func() { // they have no history
		_, err := conn.Exec(t.Context(), `TRUNCATE script_execution_queue`)
		require.NoError(t, err)
	}()
	// As of a table that had one page, and nothing in it.
	_, err = conn.Exec(t.Context(), `UPDATE pg_class SET reltuples = 0, relpages = 1
		WHERE oid = 'script_execution_queue'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'script_execution_queue'::regclass)`)
	require.NoError(t, err)
	text, err := os.ReadFile("../sqlc/script_executions.sql.go")
	require.NoError(t, err)
	seen := 0
	for _, m := range queryText.FindAllStringSubmatch(string(text), -1) {
		switch m[1] {
		case "ExecutionFinish", "ExecutionRenew", "ExecutionRelease", "ExecutionShowQueued":
			seen++
			plan := explain(t, conn, m[1], m[3], "")
			require.Contains(t, plan, "script_execution_queue_pkey", m[1])
			require.NotContains(t, plan, "idx_execution_queue", "%s:\n%s", m[1], plan)
		}
	}
	require.Equal(t, 4, seen)
}
