-- For the ledger: synchronous executions, written down after they ended.

-- name: ExecutionRecord :copyfrom
INSERT INTO script_executions (
    id, script_id, tenant_id, status, trigger_type, trigger_data, input, output, error, metrics, started_at, completed_at,
    version, attempt, error_code, error_stack, queued_at, run_at, handler, depth, parent_id, node_id
) VALUES (
    @id, @script_id, @tenant_id, @status, @trigger_type, @trigger_data, @input, @output, @error, @metrics, @started_at, @completed_at,
    @version, @attempt, @error_code, @error_stack, @queued_at, @run_at, @handler, @depth, @parent_id, @node_id
);

-- name: ExecutionIDsExisting :many
SELECT id FROM script_executions WHERE id = ANY(@ids::uuid[]);
