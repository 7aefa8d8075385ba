-- Admin API.

-- name: DeadLetterList :many
SELECT d.id, d.script_id, d.execution_id, d.event_type, (CASE WHEN @whole::boolean THEN d.event_data ELSE 'null' END)::jsonb AS event_data, d.error, d.retry_count,
    d.last_retry_at, d.created_at, d.event_id, d.error_code, d.retry_execution_id, s.name AS script_name, s.history
FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE d.tenant_id = @tenant_id AND (d.created_at, d.id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(script_id)::uuid IS NULL OR d.script_id = sqlc.narg(script_id))
  AND (sqlc.narg(event_type)::text IS NULL OR d.event_type = sqlc.narg(event_type))
ORDER BY d.created_at DESC, d.id DESC LIMIT @row_limit;

-- name: DeadLetterGet :one
SELECT sqlc.embed(d), s.name AS script_name, s.history FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE d.tenant_id = @tenant_id AND d.id = @id;

-- name: DeadLetterDelete :execrows
DELETE FROM script_event_dead_letters WHERE tenant_id = @tenant_id AND id = @id;

-- Takes dead letters for a redrive: those that match and whose last redrive is not still pending or running. SKIP LOCKED lets
-- two redrives at once share the letters instead of running them twice.
-- name: DeadLetterTakeForRetry :many
SELECT sqlc.embed(d), jsruntime_routed_version(s.version, s.candidate_version, s.candidate_percent)::integer AS script_version, s.status AS script_status,
    (SELECT e.traceparent FROM script_executions e WHERE e.id = d.execution_id) AS traceparent
FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE d.tenant_id = @tenant_id
  AND (sqlc.narg(id)::uuid IS NULL OR d.id = sqlc.narg(id))
  AND (sqlc.narg(script_id)::uuid IS NULL OR d.script_id = sqlc.narg(script_id))
  AND (sqlc.narg(event_type)::text IS NULL OR d.event_type = sqlc.narg(event_type))
  AND (sqlc.narg(error_code)::text IS NULL OR d.error_code = sqlc.narg(error_code))
  AND (sqlc.narg(since)::timestamptz IS NULL OR d.created_at >= sqlc.narg(since))
  AND (sqlc.narg(until)::timestamptz IS NULL OR d.created_at < sqlc.narg(until))
  AND NOT EXISTS (SELECT 1 FROM script_executions e WHERE e.id = d.retry_execution_id AND e.status IN ('pending', 'running'))
ORDER BY d.created_at DESC, d.id DESC LIMIT @row_limit
FOR UPDATE OF d SKIP LOCKED;

-- name: DeadLetterMarkRetried :exec
UPDATE script_event_dead_letters SET retry_count = COALESCE(retry_count, 0) + 1, last_retry_at = now(), retry_execution_id = @execution_id
WHERE tenant_id = @tenant_id AND id = @id;
-- Scheduler: what failed for good.

-- A dead letter for each execution of an event that failed for the last time. retry_count is how often it was retried.
-- name: DeadLetterInsert :exec
INSERT INTO script_event_dead_letters (id, script_id, tenant_id, execution_id, event_type, event_data, error, retry_count, last_retry_at, event_id, error_code)
SELECT jsruntime_uuid_v7(), e.script_id, e.tenant_id, e.id, COALESCE(e.input->>'type', e.trigger_data->>'event_type', ''), COALESCE(jsruntime_input(e.tenant_id, e.event_id, e.trigger_type, e.input)->'data', 'null'),
    COALESCE(e.error, e.error_code, ''), e.attempt - 1, CASE WHEN e.attempt > 1 THEN e.started_at END, e.event_id, e.error_code
FROM script_executions e WHERE e.id = ANY(@execution_ids::uuid[]);

-- A redrive that failed or was cancelled keeps its letter, with the newer error.
-- name: DeadLetterKeep :exec
UPDATE script_event_dead_letters d
SET error = COALESCE(e.error, e.error_code, ''), error_code = e.error_code, execution_id = e.id, retry_execution_id = NULL
FROM script_executions e
WHERE e.id = ANY(@execution_ids::uuid[]) AND d.id = e.dead_letter_id AND d.tenant_id = e.tenant_id;

-- A redrive that succeeded removes its letter.
-- name: DeadLetterResolve :exec
DELETE FROM script_event_dead_letters d USING script_executions e
WHERE e.id = ANY(@execution_ids::uuid[]) AND d.id = e.dead_letter_id AND d.tenant_id = e.tenant_id;

-- Scheduler: retention. One whose redrive is under way stays.
-- name: DeadLetterPrune :execrows
DELETE FROM script_event_dead_letters d WHERE d.id IN (
    SELECT o.id FROM script_event_dead_letters o
    WHERE o.created_at < now() - make_interval(secs => @retention_seconds::float8)
      AND NOT EXISTS (SELECT FROM script_executions e WHERE e.id = o.retry_execution_id AND e.status IN ('pending', 'running'))
    ORDER BY o.created_at LIMIT @row_limit
);
