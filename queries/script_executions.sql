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

-- Admin API.

-- One page, newest first, with what the size of the answer needs; the rows are read by ExecutionGetMany.
-- name: ExecutionPage :many
SELECT e.id, e.queued_at, (COALESCE(pg_column_size(e.input), 0) + COALESCE(pg_column_size(e.output), 0)
    + COALESCE(pg_column_size(e.trigger_data), 0) + COALESCE((e.metrics->>'output_bytes')::numeric, 0))::bigint AS bytes
FROM script_executions e
WHERE e.tenant_id = @tenant_id AND (e.queued_at, e.id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
  AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status))
  AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
  AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since))
  AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
ORDER BY e.queued_at DESC, e.id DESC LIMIT @row_limit;

-- name: ExecutionGetMany :many
SELECT sqlc.embed(e), s.name AS script_name FROM script_executions e JOIN scripts s ON s.id = e.script_id
WHERE e.tenant_id = @tenant_id AND e.id = ANY(@ids::uuid[]);

-- name: ExecutionGet :one
SELECT sqlc.embed(e), s.name AS script_name FROM script_executions e JOIN scripts s ON s.id = e.script_id
WHERE e.tenant_id = @tenant_id AND e.id = @id;

-- An execution that was accepted for later: once this is committed it will run.
-- name: ExecutionEnqueue :one
INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, version, handler, replay_of, event_id, dead_letter_id,
    started_at, queued_at, run_at)
VALUES (@id, @script_id, @tenant_id, 'pending', @trigger_type, @trigger_data, @input, @version, @handler, sqlc.narg(replay_of), sqlc.narg(event_id),
    sqlc.narg(dead_letter_id), NULL, now(), now())
RETURNING *;

-- True when the tenant has at least max_pending executions waiting.
-- name: ExecutionQueueFull :one
SELECT EXISTS (
    SELECT 1 FROM script_executions WHERE tenant_id = @tenant_id AND status = 'pending' LIMIT 1 OFFSET @max_pending::integer
)::boolean AS queue_full;

-- Ends an execution that is still pending. The claim takes its rows FOR UPDATE SKIP LOCKED, so either this statement sees the
-- row pending and ends it, or it waits for the claim and finds it running.
-- name: ExecutionCancelPending :one
UPDATE script_executions SET status = 'cancelled', error_code = 'cancelled', error = @message, completed_at = now(), cancel_requested = true
WHERE tenant_id = @tenant_id AND id = @id AND status = 'pending'
RETURNING id;

-- Asks whoever runs the execution to end it.
-- name: ExecutionRequestCancel :one
UPDATE script_executions SET cancel_requested = true
WHERE tenant_id = @tenant_id AND id = @id AND status = 'running'
RETURNING id;
