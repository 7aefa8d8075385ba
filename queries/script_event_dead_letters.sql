-- Admin API.

-- name: DeadLetterList :many
SELECT sqlc.embed(d), s.name AS script_name FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE d.tenant_id = @tenant_id AND (d.created_at, d.id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(script_id)::uuid IS NULL OR d.script_id = sqlc.narg(script_id))
  AND (sqlc.narg(event_type)::text IS NULL OR d.event_type = sqlc.narg(event_type))
ORDER BY d.created_at DESC, d.id DESC LIMIT @row_limit;

-- name: DeadLetterGet :one
SELECT sqlc.embed(d), s.name AS script_name FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE d.tenant_id = @tenant_id AND d.id = @id;

-- name: DeadLetterDelete :execrows
DELETE FROM script_event_dead_letters WHERE tenant_id = @tenant_id AND id = @id;

-- Takes dead letters for a redrive: those that match and whose last redrive is not still pending or running. SKIP LOCKED lets
-- two redrives at once share the letters instead of running them twice.
-- name: DeadLetterTakeForRetry :many
SELECT sqlc.embed(d), s.version AS script_version, s.status AS script_status
FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE d.tenant_id = @tenant_id
  AND (sqlc.narg(id)::uuid IS NULL OR d.id = sqlc.narg(id))
  AND (sqlc.narg(script_id)::uuid IS NULL OR d.script_id = sqlc.narg(script_id))
  AND (sqlc.narg(event_type)::text IS NULL OR d.event_type = sqlc.narg(event_type))
  AND NOT EXISTS (SELECT 1 FROM script_executions e WHERE e.id = d.retry_execution_id AND e.status IN ('pending', 'running'))
ORDER BY d.created_at DESC, d.id DESC LIMIT @row_limit
FOR UPDATE OF d SKIP LOCKED;

-- name: DeadLetterMarkRetried :exec
UPDATE script_event_dead_letters SET retry_count = COALESCE(retry_count, 0) + 1, last_retry_at = now(), retry_execution_id = @execution_id
WHERE tenant_id = @tenant_id AND id = @id;
