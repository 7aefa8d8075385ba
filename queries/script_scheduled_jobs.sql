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
-- Scheduler: cron.

-- Takes due schedules for the transaction: one node decides on each. A node that comes later sees the next tick or passes the row
-- over. A tick waits while the last one runs if one may wait (queue_one), and if the last one began only after this one fell due:
-- then it is we who are late, and not the script that takes too long.
-- Rows are locked before anything else is read, so that those in another node's hands cost no look at their scripts.
-- name: ScheduledJobClaimDue :many
WITH due AS MATERIALIZED (
    SELECT j.* FROM script_scheduled_jobs j
    WHERE j.is_active AND j.next_run_at <= now()
      AND NOT (j.is_running AND (j.overlap_policy = 'queue_one' OR (j.overlap_policy = 'skip' AND COALESCE(
          (SELECT q.lease_token IS NULL OR q.started_at >= j.next_run_at FROM script_execution_queue q WHERE q.id = j.execution_id), false))))
    ORDER BY j.next_run_at LIMIT @row_limit
    FOR UPDATE OF j SKIP LOCKED
)
SELECT j.id, j.script_id, j.tenant_id, j.cron_expression, COALESCE(j.timezone, 'UTC')::text AS timezone, j.next_run_at::timestamptz AS next_run_at,
    COALESCE(j.is_running, false)::boolean AS is_running, j.execution_id, j.last_started_at, j.last_finished_at,
    j.overlap_policy, j.missed_policy, j.missed_window_seconds, j.jitter_seconds,
    jsruntime_routed_version(s.version, s.candidate_version, s.candidate_percent)::integer AS version, (s.status = 'active' AND t.status = 'active')::boolean AS active, now()::timestamptz AS database_now,
    s.resource_limits, t.plan
FROM due j JOIN scripts s ON s.id = j.script_id JOIN tenants t ON t.id = j.tenant_id;

-- Seconds until the next tick of any schedule; negative if one is due. Ticks that wait for the last one to end are left out: its
-- end is announced.
-- name: ScheduledJobNextDue :many
SELECT EXTRACT(EPOCH FROM j.next_run_at - now())::float8 AS due_in_seconds
FROM script_scheduled_jobs j
WHERE j.is_active AND j.next_run_at IS NOT NULL
  AND NOT (j.next_run_at <= now() AND j.is_running AND (j.overlap_policy = 'queue_one' OR (j.overlap_policy = 'skip' AND COALESCE(
      (SELECT q.lease_token IS NULL OR q.started_at >= j.next_run_at FROM script_execution_queue q WHERE q.id = j.execution_id), false))))
ORDER BY j.next_run_at LIMIT 1;

-- How many schedules are due, up to a bound.
-- name: ScheduledJobBacklog :one
SELECT count(*)::bigint FROM (SELECT FROM script_scheduled_jobs j WHERE j.is_active AND j.next_run_at <= now() LIMIT @row_limit) w;

-- Writes down what was decided about ticks. A tick that was decided on before is not returned, and must not start.
-- name: ScheduleTickInsert :many
INSERT INTO script_schedule_ticks (script_id, scheduled_for, tenant_id, outcome, execution_id)
SELECT unnest(@script_ids::uuid[]), unnest(@scheduled_fors::timestamptz[]), unnest(@tenant_ids::uuid[]), unnest(@outcomes::text[]),
    NULLIF(unnest(@execution_ids::uuid[]), '00000000-0000-0000-0000-000000000000')
ON CONFLICT (script_id, scheduled_for) DO NOTHING
RETURNING script_id, scheduled_for;

-- The executions of ticks that start, with their rows of the queue: the transaction says that it keeps them (QueuePlanByIndex).
-- name: ExecutionInsertTicks :exec
WITH accepted AS (
    INSERT INTO script_executions AS x (id, script_id, tenant_id, status, trigger_type, trigger_data, input, started_at, version, queued_at, run_at,
        handler, scheduled_for)
    SELECT h.id, h.script_id, h.tenant_id, 'pending', 'cron',
        jsonb_build_object('cron', h.cron_expression, 'scheduled_for', to_char(h.scheduled_for AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'timezone', h.timezone),
        jsonb_build_object('cron', h.cron_expression, 'scheduledTime', (EXTRACT(EPOCH FROM h.scheduled_for) * 1000)::bigint, 'timezone', h.timezone),
        NULL, h.version, now(), GREATEST(now(), h.scheduled_for + make_interval(secs => h.jitter_seconds)), 'scheduled', h.scheduled_for
    FROM (
        SELECT unnest(@ids::uuid[]) AS id, unnest(@script_ids::uuid[]) AS script_id, unnest(@tenant_ids::uuid[]) AS tenant_id,
            unnest(@cron_expressions::text[]) AS cron_expression, unnest(@timezones::text[]) AS timezone, unnest(@versions::integer[]) AS version,
            unnest(@scheduled_fors::timestamptz[]) AS scheduled_for, unnest(@jitters_seconds::float8[]) AS jitter_seconds
    ) h
    RETURNING x.id, x.tenant_id, x.script_id, x.run_at, x.version, x.trigger_type
)
INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, version, trigger_type)
SELECT a.id, a.tenant_id, a.script_id, a.run_at, a.version, a.trigger_type FROM accepted a;

-- Moves schedules on to their next tick; those that started one (execution_id given) run now, under a lease that the reconciler
-- keeps for as long as the execution waits or runs.
-- name: ScheduledJobAdvance :exec
UPDATE script_scheduled_jobs j
SET next_run_at = NULLIF(h.next_run_at, 'epoch'),
    is_running = j.is_running OR h.execution_id <> '00000000-0000-0000-0000-000000000000',
    execution_id = CASE WHEN h.execution_id <> '00000000-0000-0000-0000-000000000000' THEN h.execution_id ELSE j.execution_id END,
    lease_token = CASE WHEN h.execution_id <> '00000000-0000-0000-0000-000000000000' THEN h.execution_id ELSE j.lease_token END,
    lease_expires_at = CASE WHEN h.execution_id <> '00000000-0000-0000-0000-000000000000' THEN now() + make_interval(secs => @lease_seconds::float8) ELSE j.lease_expires_at END,
    node_id = CASE WHEN h.execution_id <> '00000000-0000-0000-0000-000000000000' THEN @node_id::uuid ELSE j.node_id END
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@next_run_ats::timestamptz[]) AS next_run_at, unnest(@execution_ids::uuid[]) AS execution_id) h
WHERE j.id = h.id;

-- Ends the run of ticks whose execution ended, or passes it on to the execution that retries it (next_execution_id). began_at is
-- by the node's clock, claimed_at by the database's. It says whether a tick of one of the schedules is due, which may have waited for this end.
-- name: ScheduledJobFinish :one
WITH ended AS (
    UPDATE script_scheduled_jobs j
    SET last_run_at = h.began_at, last_run_status = h.status, updated_at = now(), last_started_at = h.claimed_at, last_finished_at = now(),
        execution_id = CASE WHEN j.execution_id = h.execution_id AND h.next_execution_id <> '00000000-0000-0000-0000-000000000000' THEN h.next_execution_id ELSE j.execution_id END,
        is_running = CASE WHEN j.execution_id = h.execution_id AND h.next_execution_id = '00000000-0000-0000-0000-000000000000' THEN false ELSE j.is_running END,
        lease_token = CASE WHEN j.execution_id = h.execution_id AND h.next_execution_id = '00000000-0000-0000-0000-000000000000' THEN NULL ELSE j.lease_token END,
        lease_expires_at = CASE WHEN j.execution_id = h.execution_id AND h.next_execution_id = '00000000-0000-0000-0000-000000000000' THEN NULL ELSE j.lease_expires_at END,
        node_id = CASE WHEN j.execution_id = h.execution_id AND h.next_execution_id = '00000000-0000-0000-0000-000000000000' THEN NULL ELSE j.node_id END
    FROM (
        SELECT unnest(@script_ids::uuid[]) AS script_id, unnest(@execution_ids::uuid[]) AS execution_id, unnest(@next_execution_ids::uuid[]) AS next_execution_id,
            unnest(@statuses::text[]) AS status, unnest(@began_ats::timestamptz[]) AS began_at, unnest(@claimed_ats::timestamptz[]) AS claimed_at
    ) h
    WHERE j.script_id = h.script_id
    RETURNING j.is_active AND j.next_run_at <= now() AS due
)
SELECT COALESCE(bool_or(e.due), false)::boolean AS due FROM ended e;

-- Keeps the leases of schedules whose tick waits in the queue or runs under a live lease of its own: that execution is what
-- is_running stands for.
-- name: ScheduledJobRenew :execrows
UPDATE script_scheduled_jobs j
SET lease_expires_at = now() + make_interval(secs => @lease_seconds::float8), node_id = @node_id::uuid
WHERE j.id IN (
    SELECT r.id FROM script_scheduled_jobs r
    WHERE r.is_running AND r.lease_expires_at < now() + make_interval(secs => @lease_seconds::float8 * 2 / 3)
      AND (SELECT q.lease_token IS NULL OR q.lease_expires_at > now() FROM script_execution_queue q WHERE q.id = r.execution_id)
    ORDER BY r.lease_expires_at LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
);

-- Frees schedules that say they run while nothing does: the execution ended without them (cancelled, pruned, rescued) or is gone.
-- name: ScheduledJobRescue :many
UPDATE script_scheduled_jobs j
SET is_running = false, lease_token = NULL, lease_expires_at = NULL, node_id = NULL, last_finished_at = now(), updated_at = now()
WHERE j.id IN (
    SELECT r.id FROM script_scheduled_jobs r
    WHERE r.is_running
      AND NOT EXISTS (SELECT FROM script_execution_queue q WHERE q.id = r.execution_id)
    LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
)
RETURNING j.id, j.tenant_id, j.script_id;

-- Active schedules without a next tick, after the given one, for arming.
-- name: ScheduledJobUnarmed :many
SELECT j.id, j.script_id, j.tenant_id, j.cron_expression, COALESCE(j.timezone, 'UTC')::text AS timezone, now()::timestamptz AS database_now
FROM script_scheduled_jobs j JOIN scripts s ON s.id = j.script_id JOIN tenants t ON t.id = j.tenant_id
WHERE j.is_active AND j.next_run_at IS NULL AND s.status = 'active' AND t.status = 'active' AND j.id > @after_id
ORDER BY j.id LIMIT @row_limit
FOR UPDATE OF j SKIP LOCKED;

-- name: ScheduledJobArm :exec
UPDATE script_scheduled_jobs j
SET next_run_at = h.next_run_at
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@next_run_ats::timestamptz[]) AS next_run_at) h
WHERE j.id = h.id AND j.is_active AND j.next_run_at IS NULL;

-- name: ScheduleTickPrune :execrows
DELETE FROM script_schedule_ticks t
WHERE (t.script_id, t.scheduled_for) IN (
    SELECT o.script_id, o.scheduled_for FROM script_schedule_ticks o
    WHERE o.decided_at < now() - make_interval(secs => @retention_seconds::float8)
    ORDER BY o.decided_at LIMIT @row_limit
);
