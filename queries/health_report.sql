-- What GET /api/v1/health/report says of a tenant. Each query reads a range of one index, and at most so many rows.

-- Scripts that fail, the longest first.
-- name: HealthFailing :many
SELECT h.script_id, s.name, s.status, h.failures, h.last_code, h.failing_since::timestamptz AS failing_since, h.failed_at, h.tripped_at
FROM script_health h JOIN scripts s ON s.tenant_id = h.tenant_id AND s.id = h.script_id
WHERE h.tenant_id = @tenant_id AND h.failing_since IS NOT NULL AND (s.status = 'active' OR h.tripped_at IS NOT NULL)
ORDER BY h.failing_since LIMIT @row_limit;

-- The last executions of scripts, of those that did not complete: look_at are looked at of each.
-- name: HealthErrors :many
SELECT x.id, x.script_id, x.error_code, x.error, x.queued_at
FROM unnest(@script_ids::uuid[]) failing(id) CROSS JOIN LATERAL (
    SELECT e.id, e.script_id, e.status, e.error_code, COALESCE(left(e.error, 300), '')::text AS error, e.queued_at FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.script_id = failing.id AND e.id >= @from_id::uuid
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.status IN ('failed', 'timeout');

-- name: HealthQuarantined :many
SELECT s.id, s.name, s.quarantined_until::timestamptz AS quarantined_until, COALESCE(s.quarantine_reason, '')::text AS reason
FROM scripts s WHERE s.tenant_id = @tenant_id AND s.quarantined_until > now() ORDER BY s.quarantined_until LIMIT @row_limit;

-- What waits though it is due: how much, and since when the first of what was counted.
-- name: HealthBacklog :one
SELECT count(*) AS due, COALESCE(min(d.run_at), now())::timestamptz AS oldest, now()::timestamptz AS at FROM (
    SELECT q.run_at FROM script_execution_queue q WHERE q.tenant_id = @tenant_id AND q.lease_token IS NULL AND q.run_at <= now() LIMIT @row_limit
) d;

-- Schedules whose next tick is due for some time.
-- name: HealthLateSchedules :many
SELECT j.script_id, s.name, j.next_run_at::timestamptz AS next_run_at
FROM script_scheduled_jobs j JOIN scripts s ON s.id = j.script_id
WHERE j.tenant_id = @tenant_id AND j.is_active AND j.next_run_at < now() - make_interval(secs => @late_seconds::float8) ORDER BY j.next_run_at LIMIT @row_limit;

-- name: HealthDeadLetters :one
SELECT count(*) FROM (
    SELECT FROM script_event_dead_letters d WHERE d.tenant_id = @tenant_id AND d.created_at > now() - make_interval(secs => @age_seconds::float8) LIMIT @row_limit
) d;

-- name: HealthWebhooks :one
SELECT count(*) FROM webhooks w WHERE w.tenant_id = @tenant_id::uuid AND w.disabled_at IS NOT NULL;
