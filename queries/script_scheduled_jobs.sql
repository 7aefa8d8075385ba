-- Admin API.

-- Arms a schedule (next_run_at given) or disarms it (null). A run that is under way keeps its lease and ends as it would.
-- The next tick stays as it is where neither the expression, the zone nor the activity changed: rearm says so.
-- name: ScheduledJobUpsert :exec
INSERT INTO script_scheduled_jobs (id, script_id, tenant_id, cron_expression, timezone, next_run_at, is_active,
    overlap_policy, missed_policy, missed_window_seconds, jitter_seconds, retry_lost)
VALUES (@id, @script_id, @tenant_id, @cron_expression, @timezone, sqlc.narg(next_run_at), @is_active,
    @overlap_policy, @missed_policy, @missed_window_seconds, @jitter_seconds, @retry_lost)
ON CONFLICT (script_id) DO UPDATE SET cron_expression = EXCLUDED.cron_expression, timezone = EXCLUDED.timezone,
    next_run_at = CASE WHEN @rearm::boolean THEN EXCLUDED.next_run_at ELSE script_scheduled_jobs.next_run_at END,
    is_active = EXCLUDED.is_active, overlap_policy = EXCLUDED.overlap_policy, missed_policy = EXCLUDED.missed_policy,
    missed_window_seconds = EXCLUDED.missed_window_seconds, jitter_seconds = EXCLUDED.jitter_seconds,
    retry_lost = EXCLUDED.retry_lost, updated_at = now();

-- name: ScheduledJobGet :one
SELECT j.*, s.name AS script_name FROM script_scheduled_jobs j JOIN scripts s ON s.id = j.script_id
WHERE j.tenant_id = @tenant_id AND j.script_id = @script_id;

-- name: ScheduledJobList :many
SELECT j.*, s.name AS script_name FROM script_scheduled_jobs j JOIN scripts s ON s.id = j.script_id
WHERE j.tenant_id = @tenant_id AND (j.created_at, j.id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY j.created_at DESC, j.id DESC LIMIT @row_limit;

-- Skipped and missed ticks, newest first.
-- name: ScheduleTickList :many
SELECT scheduled_for, outcome, execution_id, decided_at FROM script_schedule_ticks
WHERE tenant_id = @tenant_id AND script_id = @script_id ORDER BY scheduled_for DESC LIMIT @row_limit;
