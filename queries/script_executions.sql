-- For the ledger: synchronous executions, written down after they ended.

-- name: ExecutionRecord :copyfrom
INSERT INTO script_executions (
    id, script_id, tenant_id, status, trigger_type, input, trigger_data, output, error, metrics, started_at, completed_at,
    version, attempt, error_code, error_stack, queued_at, run_at, handler, depth, parent_id, node_id, http_status
) VALUES (
    @id, @script_id, @tenant_id, @status, @trigger_type, @input, @trigger_data, @output, @error, @metrics, @started_at, @completed_at,
    @version, @attempt, @error_code, @error_stack, @queued_at, @run_at, @handler, @depth, @parent_id, @node_id, @http_status
);

-- The executions that are on record with their end. An attended row is one that the end replaces.
-- name: ExecutionIDsExisting :many
SELECT id FROM script_executions WHERE id = ANY(@ids::uuid[]) AND NOT attended;

-- Rows of executions that have run for a second and go on, in the history and in the queue. The lease's token is the node: no other part of it
-- has leases by that. Those of scripts that are gone, and those that have ended meanwhile and are on record, get none.
-- name: ExecutionShow :exec
WITH shown AS (
    INSERT INTO script_executions AS e (id, script_id, tenant_id, status, trigger_type, trigger_data, input, started_at, version, queued_at, run_at, handler,
        depth, parent_id, node_id, attended)
    SELECT r.id, s.id, s.tenant_id, 'running', r.trigger_type, NULLIF(r.trigger_data, '')::jsonb, NULLIF(r.input, '')::jsonb, r.started_at, r.version,
        r.queued_at, r.queued_at, r.handler, r.depth, NULLIF(r.parent_id, '00000000-0000-0000-0000-000000000000'), @node_id::uuid, true
    FROM (
        SELECT unnest(@ids::uuid[]) AS id, unnest(@script_ids::uuid[]) AS script_id, unnest(@tenant_ids::uuid[]) AS tenant_id,
            unnest(@trigger_types::text[]) AS trigger_type, unnest(@trigger_datas::text[]) AS trigger_data, unnest(@inputs::text[]) AS input,
            unnest(@started_ats::timestamptz[]) AS started_at, unnest(@versions::integer[]) AS version, unnest(@queued_ats::timestamptz[]) AS queued_at,
            unnest(@handlers::text[]) AS handler, unnest(@depths::integer[]) AS depth, unnest(@parent_ids::uuid[]) AS parent_id
    ) r
    JOIN scripts s ON s.id = r.script_id AND s.tenant_id = r.tenant_id
    ON CONFLICT DO NOTHING
    RETURNING e.id, e.tenant_id, e.script_id, e.run_at, e.started_at, e.version, e.trigger_type
)
INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, started_at, version, trigger_type, node_id, lease_token, lease_expires_at, attended)
SELECT s.id, s.tenant_id, s.script_id, s.run_at, s.started_at, s.version, s.trigger_type, @node_id::uuid, @node_id::uuid,
    now() + make_interval(secs => @lease_seconds::float8), true
FROM shown s
ON CONFLICT DO NOTHING;

-- Takes the rows away that the ends of these executions replace in the same transaction: those that still run, and those that were rescued
-- while this node could not renew them. Their rows in the queue are locked first, and go by the trigger.
-- name: ExecutionUnshow :exec
WITH locked AS MATERIALIZED (
    SELECT q.id FROM script_execution_queue q WHERE q.id = ANY(@ids::uuid[]) AND q.attended ORDER BY q.id FOR UPDATE
)
DELETE FROM script_executions WHERE id = ANY(@ids::uuid[]) AND attended AND node_id = @node_id::uuid AND (SELECT count(*) FROM locked) >= 0;

-- Admin API.

-- A tenant's executions newest first whose ids are in a range (from_id inclusive, below_id not), which is what keeps the page to few partitions;
-- with what the size of the answer needs, with inputs and outputs or without. The rows are read by ExecutionGetMany or ExecutionGetManyLean.
-- At most look_at rows are looked at. The last of them, and the last of the range, come back even if they are no hits, to say how many were looked
-- at and where the next page begins. wanted is a pattern of ILIKE; with urls it is also looked for in the URLs of requests, where the input is
-- short enough to be in its row.
-- The queries after this one are the same, each for the filter that its index is made for (migrations/00004_executions.sql); their other
-- filters go by look_at. None has an optional condition beside its order, so that one plan serves all values (PlanOnce). Planned for a short range
-- of ids, each opens only that range's partitions.
-- name: ExecutionPage :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOfScript :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.script_id = sqlc.narg(script_id)::uuid
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOfStatus :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.status = sqlc.narg(status)::text AND e.status <> 'completed'
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOfTrigger :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.trigger_type = sqlc.narg(trigger_type)::text AND e.trigger_type IN ('cron', 'event', 'manual')
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOfError :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.error_code = sqlc.narg(error_code)::text
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOfEvent :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.event_id = sqlc.narg(event_id)::text
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOf4xx :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.http_status >= 400 AND e.http_status <= 499
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- name: ExecutionPageOf5xx :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, x.looked::bigint AS looked, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.id DESC) AS looked, lead(e.id) OVER (ORDER BY e.id DESC) IS NULL AS final,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= @from_id::uuid AND e.id < @below_id::uuid AND e.http_status >= 500 AND e.http_status <= 599
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.final OR x.looked = @look_at::integer
ORDER BY x.id DESC LIMIT @row_limit;

-- ExecutionPage of executions whose ids are of another kind than version 7: an application's own INSERT gave them (gen_random_uuid()). They
-- are in the default partition and go by the time of their acceptance.
-- name: ExecutionPageOtherIDs :many
SELECT x.id, x.queued_at, (COALESCE(pg_column_size(x.trigger_data), 0) + CASE WHEN @whole::boolean THEN
        COALESCE(pg_column_size(x.input), 0) + CASE WHEN x.trigger_type = 'event' THEN COALESCE((SELECT pg_column_size(v.data) FROM script_events v WHERE v.tenant_id = x.tenant_id AND v.id = x.event_id), 0) ELSE 0 END
        + COALESCE(pg_column_size(x.output), 0) + COALESCE((x.metrics->>'output_bytes')::numeric, 0) ELSE 0 END)::bigint AS bytes, x.hit::boolean AS hit, (x.looked = @look_at::integer)::boolean AS last
FROM (
    SELECT e.id, e.tenant_id, e.queued_at, e.trigger_type, e.trigger_data, e.input, e.output, e.metrics, e.event_id,
        row_number() OVER (ORDER BY e.queued_at DESC, e.id DESC) AS looked,
        (COALESCE((sqlc.narg(script_id)::uuid IS NULL OR e.script_id = sqlc.narg(script_id))
            AND (sqlc.narg(status)::text IS NULL OR e.status = sqlc.narg(status)) AND (sqlc.narg(trigger_type)::text IS NULL OR e.trigger_type = sqlc.narg(trigger_type))
            AND (sqlc.narg(error_code)::text IS NULL OR e.error_code = sqlc.narg(error_code)) AND (sqlc.narg(event_id)::text IS NULL OR e.event_id = sqlc.narg(event_id))
            AND (sqlc.narg(since)::timestamptz IS NULL OR e.queued_at >= sqlc.narg(since)) AND (sqlc.narg(until)::timestamptz IS NULL OR e.queued_at < sqlc.narg(until))
            AND (sqlc.narg(http_from)::integer IS NULL OR e.http_status >= sqlc.narg(http_from)) AND (sqlc.narg(http_until)::integer IS NULL OR e.http_status <= sqlc.narg(http_until))
            AND (sqlc.narg(path)::text IS NULL OR e.trigger_data->>'path' = sqlc.narg(path)), false)
            AND (sqlc.narg(wanted)::text IS NULL OR COALESCE(e.trigger_data->>'path' ILIKE sqlc.narg(wanted), false) OR COALESCE(e.error ILIKE sqlc.narg(wanted), false)
                OR COALESCE(e.event_id ILIKE sqlc.narg(wanted), false) OR e.id::text ILIKE sqlc.narg(wanted)
                OR COALESCE(@urls::boolean AND pg_column_size(e.input) < 4000 AND e.input->>'url' ILIKE sqlc.narg(wanted), false))) AS hit
    FROM script_executions_default e
    WHERE e.tenant_id = @tenant_id AND (e.id < '01700000-0000-0000-0000-000000000000' OR e.id >= '02000000-0000-0000-0000-000000000000')
      AND (e.queued_at, e.id) < (@before_at::timestamptz, @before_id::uuid)
    ORDER BY e.queued_at DESC, e.id DESC LIMIT @look_at::integer
) x
WHERE x.hit OR x.looked = @look_at::integer
ORDER BY x.queued_at DESC, x.id DESC LIMIT @row_limit;

-- Makes the planner count rows, until the end of the transaction: of the ways to a page it takes the one that visits the fewest. With its
-- costs of pages it takes the walk through a whole partition by the primary key for a tenant or a status of which it guesses that it is
-- common, and its guess is of the last ANALYZE, which was before the burst that is being looked at.
-- name: PlanByRows :exec
SELECT set_config('random_page_cost', '0', true), set_config('seq_page_cost', '0', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true);

-- Has one plan serve all values, until the end of the transaction: of statements that may read every partition, since planning a hundred
-- partitions takes longer than reading them. A connection makes that plan once, and again when a partition was made, dropped or analyzed.
-- name: PlanOnce :exec
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

-- What TenantRoleEnter says of plans.
-- name: PlanByValues :exec
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- ExecutionGetMany without inputs and outputs. The rows are read one after the other, each in its partition (LIMIT 1 leaves no other join); with
-- values, those partitions are planned that are between first_id and last_id, the least and the greatest of the ids.
-- name: ExecutionGetManyLean :many
SELECT e.id, e.script_id, e.status, e.trigger_type, e.trigger_data, e.error, e.metrics, e.started_at, e.completed_at, e.version, e.attempt, e.error_code,
    e.error_stack, e.queued_at, e.run_at, e.event_id, e.scheduled_for, e.replay_of, e.parent_id, e.http_status, s.name AS script_name
FROM unnest(@ids::uuid[]) wanted(id) CROSS JOIN LATERAL (
    SELECT x.* FROM script_executions x
    WHERE x.tenant_id = @tenant_id AND x.id = wanted.id AND x.id >= @first_id::uuid AND x.id <= @last_id::uuid LIMIT 1
) e JOIN scripts s ON s.id = e.script_id;

-- name: ExecutionGetMany :many
SELECT sqlc.embed(e), s.name AS script_name, s.history AS script_history, jsruntime_input(e.tenant_id, e.event_id, e.trigger_type, e.input) AS full_input
FROM script_executions e JOIN scripts s ON s.id = e.script_id
WHERE e.tenant_id = @tenant_id AND e.id = ANY(@ids::uuid[]);

-- name: ExecutionGet :one
SELECT sqlc.embed(e), s.name AS script_name, s.history AS script_history, jsruntime_input(e.tenant_id, e.event_id, e.trigger_type, e.input) AS full_input
FROM script_executions e JOIN scripts s ON s.id = e.script_id
WHERE e.tenant_id = @tenant_id AND e.id = @id;

-- An execution that was accepted for later: once this is committed it will run.
-- name: ExecutionEnqueue :one
INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, version, handler, replay_of, event_id, dead_letter_id,
    started_at, queued_at, run_at, traceparent)
VALUES (@id, @script_id, @tenant_id, 'pending', @trigger_type, @trigger_data, @input, @version, @handler, sqlc.narg(replay_of), sqlc.narg(event_id),
    sqlc.narg(dead_letter_id), NULL, now(), now(), sqlc.narg(traceparent))
RETURNING *;

-- Whether the queue of the tenant is full, by the rule of the publishing function (migrations/00006_events.sql).
-- name: ExecutionQueueFull :one
SELECT jsruntime_queue_full(t.id, jsruntime_max_queue_depth(t.plan), @wanted::integer)::boolean AS queue_full, jsruntime_max_queue_depth(t.plan)::integer AS max_depth
FROM tenants t WHERE t.id = @tenant_id;

-- Ends an execution that still waits. The claim takes its rows FOR UPDATE SKIP LOCKED, so either this statement finds that no one has
-- leased it and ends it, or it waits for the claim and leaves it to ExecutionRequestCancel.
-- name: ExecutionCancelPending :one
WITH gone AS (
    DELETE FROM script_execution_queue q WHERE q.tenant_id = @tenant_id AND q.id = @id AND q.lease_token IS NULL RETURNING q.id
)
UPDATE script_executions e SET status = 'cancelled', error_code = 'cancelled', error = @message, completed_at = now()
FROM gone WHERE e.id = gone.id AND e.tenant_id = @tenant_id
RETURNING e.id, e.script_id;

-- Asks the node that runs the execution to end it.
-- name: ExecutionRequestCancel :one
UPDATE script_execution_queue SET cancel_requested = true
WHERE tenant_id = @tenant_id AND id = @id AND lease_token IS NOT NULL
RETURNING id;

-- Scheduler: the queue.

-- Which scripts have executions waiting: one row for each, from the pair (tenant, script) after the given one on, with the time
-- until the first of them is due. A loose scan: one descent of idx_execution_queue_due for each pair, however many rows it has.
-- name: ExecutionDiscover :many
WITH RECURSIVE pairs AS (
    (
        SELECT q.tenant_id, q.script_id, q.run_at FROM script_execution_queue q
        WHERE q.lease_token IS NULL AND (q.tenant_id, q.script_id) > (@after_tenant_id::uuid, @after_script_id::uuid)
        ORDER BY q.tenant_id, q.script_id, q.run_at, q.id LIMIT 1
    )
    UNION ALL
    SELECT n.tenant_id, n.script_id, n.run_at FROM pairs p CROSS JOIN LATERAL (
        SELECT q.tenant_id, q.script_id, q.run_at FROM script_execution_queue q
        WHERE q.lease_token IS NULL AND (q.tenant_id, q.script_id) > (p.tenant_id, p.script_id)
        ORDER BY q.tenant_id, q.script_id, q.run_at, q.id LIMIT 1
    ) n
), page AS (
    SELECT p.tenant_id, p.script_id, p.run_at FROM pairs p LIMIT @row_limit
)
SELECT p.tenant_id, p.script_id, p.run_at, EXTRACT(EPOCH FROM p.run_at - now())::float8 AS due_in_seconds,
    (t.status = 'active')::boolean AS tenant_active, (s.status = 'active')::boolean AS script_active, (s.status = 'archived')::boolean AS archived,
    s.resource_limits, t.plan
FROM page p JOIN tenants t ON t.id = p.tenant_id JOIN scripts s ON s.id = p.script_id
ORDER BY p.tenant_id, p.script_id;

-- Claims due executions: for each wanted (tenant, script) up to its count, in order, from after its floor on. Rows that another
-- node is claiming are passed over. A script that isn't active runs only what a person asked for by hand; the status is read
-- here again, so that nothing starts after a pause was committed. One statement: rows are chosen, locked and changed together.
-- The locked rows are found again by their ids alone: a join, or another condition beside the id, lets the planner walk the queue for
-- each row when its statistics are from an idle hour (0.9 ms a row instead of 0.04). OFFSET 0 lets it look tenants and scripts up for each pair that
-- is wanted: it took a few tenants for one, and compared each of them with every pair. The history is read by the ids of what was
-- claimed, one after the other, so that each looks at one partition. The input is what jsruntime_input says, written out, since a call of it for each row is dear.
-- name: ExecutionClaim :many
WITH wanted AS (
    SELECT unnest(@tenant_ids::uuid[]) AS tenant_id, unnest(@script_ids::uuid[]) AS script_id, unnest(@counts::integer[]) AS count,
        unnest(@floor_run_ats::timestamptz[]) AS floor_run_at, unnest(@floor_ids::uuid[]) AS floor_id
), picked AS (
    SELECT due.id
    FROM wanted w
    CROSS JOIN LATERAL (SELECT FROM tenants t WHERE t.id = w.tenant_id AND t.status = 'active' OFFSET 0) t
    CROSS JOIN LATERAL (SELECT s.status FROM scripts s WHERE s.id = w.script_id AND s.status <> 'archived' OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT q.id FROM script_execution_queue q
        WHERE q.lease_token IS NULL AND q.tenant_id = w.tenant_id AND q.script_id = w.script_id AND q.run_at <= now()
          AND (q.run_at, q.id) > (w.floor_run_at, w.floor_id)
          AND (s.status = 'active' OR q.trigger_type IN ('manual', 'api'))
        ORDER BY q.run_at, q.id LIMIT w.count
        FOR UPDATE SKIP LOCKED
    ) due
), claimed AS (
    UPDATE script_execution_queue q
    SET node_id = @node_id::uuid, lease_token = @lease_token::uuid, lease_expires_at = now() + make_interval(secs => @lease_seconds::float8),
        started_at = now()
    WHERE q.id = ANY (ARRAY(SELECT p.id FROM picked p))
    RETURNING q.id, q.tenant_id, q.script_id, q.run_at, q.cancel_requested
)
SELECT c.id, c.tenant_id, c.script_id, e.version, e.trigger_type,
    (CASE WHEN e.trigger_type = 'event' AND e.event_id IS NOT NULL AND jsonb_typeof(e.input) = 'object' AND NOT e.input ? 'data'
        THEN e.input || jsonb_build_object('data', (SELECT v.data FROM script_events v WHERE v.tenant_id = c.tenant_id AND v.id = e.event_id))
        ELSE e.input END)::jsonb AS input,
    e.attempt, e.lost_count, e.queued_at, c.run_at, e.handler, e.depth, e.event_id, e.scheduled_for, e.dead_letter_id, e.parent_id,
    c.cancel_requested, e.traceparent,
    EXTRACT(EPOCH FROM now() - e.queued_at)::float8 AS queued_seconds,
    EXTRACT(EPOCH FROM now() - COALESCE(e.scheduled_for, c.run_at))::float8 AS late_seconds
FROM claimed c JOIN script_executions e ON e.id = c.id;

-- Says running of executions that this node has held for a second and goes on to run.
-- name: ExecutionShowQueued :many
WITH ours AS MATERIALIZED (
    SELECT q.id, q.started_at, q.node_id
    FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@lease_tokens::uuid[]) AS lease_token) h
    JOIN script_execution_queue q ON q.id = h.id AND q.lease_token IS NOT DISTINCT FROM h.lease_token
    FOR NO KEY UPDATE OF q
)
UPDATE script_executions e SET status = 'running', started_at = o.started_at, node_id = o.node_id
FROM ours o WHERE e.id = o.id AND e.status = 'pending'
RETURNING e.id;

-- Prolongs the leases that are still ours. A lease that is not returned was lost: another session ended, rescued or deleted its execution.
-- Rows are locked in the order of their ids, as ExecutionRelease and ExecutionFinish do: a renewal and a batch of endings that meet
-- wait for one another once, and never in a circle.
-- name: ExecutionRenew :many
WITH locked AS (
    SELECT l.id FROM script_execution_queue l WHERE l.id = ANY(@ids::uuid[]) ORDER BY l.id FOR NO KEY UPDATE
)
UPDATE script_execution_queue q
SET lease_expires_at = now() + make_interval(secs => @lease_seconds::float8)
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@lease_tokens::uuid[]) AS lease_token) h
WHERE q.id = h.id AND q.lease_token IS NOT DISTINCT FROM h.lease_token AND q.id = ANY (ARRAY(SELECT locked.id FROM locked))
RETURNING q.id, q.cancel_requested;

-- Locks executions in the order of their ids, for a transaction that changes them with more than one statement.
-- name: ExecutionLock :many
SELECT q.id FROM script_execution_queue q WHERE q.id = ANY(@ids::uuid[]) ORDER BY q.id FOR NO KEY UPDATE;

-- Which of the executions are to be ended.
-- name: ExecutionCancelled :many
SELECT q.id FROM script_execution_queue q WHERE q.id = ANY(@ids::uuid[]) AND q.cancel_requested;

-- Gives executions back that did not run, or of which we lost the worker (lost: 1). They spend no attempt. The ids are in order,
-- and rows are locked in theirs (QueuePlanByIndex leaves the planner no other way).
-- name: ExecutionRelease :many
WITH ours AS MATERIALIZED (
    SELECT q.id, q.cancel_requested, q.started_at, h.lost, now() + make_interval(secs => h.delay_seconds) AS run_at
    FROM (
        SELECT unnest(@ids::uuid[]) AS id, unnest(@lease_tokens::uuid[]) AS lease_token, unnest(@losts::integer[]) AS lost,
            unnest(@delays_seconds::float8[]) AS delay_seconds
    ) h
    JOIN script_execution_queue q ON q.id = h.id AND q.lease_token IS NOT DISTINCT FROM h.lease_token
    FOR UPDATE OF q
), back AS (
    UPDATE script_execution_queue q SET run_at = o.run_at, started_at = NULL, node_id = NULL, lease_token = NULL, lease_expires_at = NULL
    FROM ours o WHERE q.id = o.id AND NOT o.cancel_requested
), gone AS (
    DELETE FROM script_execution_queue q USING ours o WHERE q.id = o.id AND o.cancel_requested
)
UPDATE script_executions e
SET status = CASE WHEN o.cancel_requested THEN 'cancelled' ELSE 'pending' END,
    error_code = CASE WHEN o.cancel_requested THEN 'cancelled' END,
    error = CASE WHEN o.cancel_requested THEN 'cancelled before it began' END,
    completed_at = CASE WHEN o.cancel_requested THEN GREATEST(clock_timestamp(), o.started_at) END,
    started_at = CASE WHEN o.cancel_requested THEN o.started_at END,
    node_id = NULL, lost_count = e.lost_count + o.lost, run_at = o.run_at
FROM ours o
WHERE e.id = o.id
RETURNING e.id, e.status;

-- Here and wherever an execution is found by its id and its lease: IS NOT DISTINCT FROM, and not =, leaves the planner the primary key alone. With = it
-- may walk the index of leases for each row instead, where its statistics are of an empty queue: a batch took 10 s, and was cancelled, as long as
-- the storm lasted.
-- Writes endings, of executions whose lease is still ours, and takes them from the queue. Empty texts and a status of 0 are NULL. The ids are in order, as
-- for ExecutionRelease.
-- name: ExecutionFinish :many
WITH h AS (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@lease_tokens::uuid[]) AS lease_token, unnest(@statuses::text[]) AS status,
        unnest(@error_codes::text[]) AS error_code, unnest(@errors::text[]) AS error, unnest(@error_stacks::text[]) AS error_stack,
        unnest(@outputs::text[]) AS output, unnest(@metrics::text[]) AS metrics, unnest(@http_statuses::smallint[]) AS http_status
), gone AS (
    DELETE FROM script_execution_queue q USING h
    WHERE q.id = h.id AND q.lease_token IS NOT DISTINCT FROM h.lease_token
    RETURNING q.id, q.started_at, q.node_id, h.status::text AS status, h.error_code::text AS error_code, h.error::text AS error,
        h.error_stack::text AS error_stack, h.output::text AS output, h.metrics::text AS metrics, h.http_status::smallint AS http_status
)
UPDATE script_executions e
SET status = g.status, error_code = NULLIF(g.error_code, ''), error = NULLIF(g.error, ''), error_stack = NULLIF(g.error_stack, ''),
    output = NULLIF(g.output, '')::jsonb, metrics = g.metrics::jsonb, completed_at = GREATEST(clock_timestamp(), g.started_at),
    started_at = g.started_at, node_id = g.node_id, http_status = NULLIF(g.http_status, 0)
FROM gone g
WHERE e.id = g.id
RETURNING e.id, g.started_at::timestamptz AS started_at;

-- Replaces the inputs of executions that ended by what is kept of them. An input that is empty becomes NULL. Without their history's choice rows
-- whose input is short stay: an event's data are in script_events and not in the row.
-- name: ExecutionCutInputs :exec
UPDATE script_executions e
SET input = NULLIF(h.input, '')::jsonb, trigger_data = COALESCE(e.trigger_data, '{}') || h.trigger_data::jsonb
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@inputs::text[]) AS input, unnest(@trigger_datas::text[]) AS trigger_data, unnest(@chosens::boolean[]) AS chosen) h
WHERE e.id = h.id AND (h.chosen OR octet_length(e.input::text) > @max_bytes::integer);

-- Deletes executions that have ended and that their script's history does not keep. Their dead letters forget them (ON DELETE SET NULL).
-- name: ExecutionForget :many
DELETE FROM script_executions e WHERE e.id = ANY(@ids::uuid[]) RETURNING e.tenant_id, e.attempt;

-- The next attempt of executions that ended, with the script's live version or its candidate.
-- name: ExecutionRetry :exec
WITH accepted AS (
    INSERT INTO script_executions AS x (id, script_id, tenant_id, status, trigger_type, trigger_data, input, started_at, version, attempt,
        queued_at, run_at, handler, depth, event_id, scheduled_for, parent_id, traceparent)
    SELECT h.new_id, e.script_id, e.tenant_id, 'pending', e.trigger_type, e.trigger_data, e.input, NULL, jsruntime_routed_version(s.version, s.candidate_version, s.candidate_percent), e.attempt + 1,
        now(), now() + make_interval(secs => h.delay_seconds), e.handler, e.depth, e.event_id, e.scheduled_for, e.parent_id, e.traceparent
    FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@new_ids::uuid[]) AS new_id, unnest(@delays_seconds::float8[]) AS delay_seconds) h
    JOIN script_executions e ON e.id = h.id
    JOIN scripts s ON s.id = e.script_id
    RETURNING x.id, x.tenant_id, x.script_id, x.run_at, x.version, x.trigger_type
)
INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, version, trigger_type)
SELECT a.id, a.tenant_id, a.script_id, a.run_at, a.version, a.trigger_type FROM accepted a;

-- Takes executions from nodes that are gone: their lease has expired. They run again, unless they were to be cancelled, were lost
-- too often, or are cron ticks of a schedule without retry_lost, since a tick starts once. What ends here for good leaves what
-- every ending leaves: a dead letter for an event, the schedule's last run. What is locked is checked again by the lock, and is changed
-- by the same statement.
-- name: ExecutionRescue :many
WITH lost AS MATERIALIZED (
    SELECT q.id, q.started_at, q.node_id, q.cancel_requested, q.attended, q.trigger_type, q.script_id
    FROM script_execution_queue q
    WHERE q.lease_token IS NOT NULL AND q.lease_expires_at < now()
    ORDER BY q.lease_expires_at LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
), judged AS MATERIALIZED (
    SELECT l.id, l.started_at, l.node_id, CASE
            WHEN e.id IS NULL THEN 'gone' -- deleted, or ended, where no trigger saw it
            WHEN l.cancel_requested THEN 'cancelled'
            WHEN l.attended THEN 'failed' -- who waited for its answer is gone
            WHEN e.lost_count >= @max_lost::integer THEN 'failed'
            WHEN l.trigger_type = 'cron' AND NOT EXISTS (SELECT FROM script_scheduled_jobs j WHERE j.script_id = l.script_id AND j.retry_lost) THEN 'failed'
            ELSE 'pending'
        END AS status
    FROM lost l LEFT JOIN script_executions e ON e.id = l.id AND e.status IN ('pending', 'running')
), back AS (
    UPDATE script_execution_queue q SET run_at = now(), started_at = NULL, node_id = NULL, lease_token = NULL, lease_expires_at = NULL
    FROM judged l WHERE q.id = l.id AND l.status = 'pending'
), gone AS (
    DELETE FROM script_execution_queue q USING judged l WHERE q.id = l.id AND l.status <> 'pending'
), rescued AS (
    UPDATE script_executions e
    SET status = l.status, lost_count = e.lost_count + 1,
        node_id = CASE WHEN l.status <> 'pending' THEN l.node_id END,
        run_at = CASE WHEN l.status = 'pending' THEN now() ELSE e.run_at END,
        started_at = CASE WHEN l.status <> 'pending' THEN l.started_at END,
        completed_at = CASE WHEN l.status <> 'pending' THEN GREATEST(now(), l.started_at) END,
        error_code = CASE l.status WHEN 'failed' THEN 'worker_lost' WHEN 'cancelled' THEN 'cancelled' END,
        error = CASE l.status WHEN 'failed' THEN 'the node that ran it was lost' WHEN 'cancelled' THEN 'cancelled; the node that ran it was lost' END
    FROM judged l
    WHERE e.id = l.id AND l.status <> 'gone'
    RETURNING e.id, e.tenant_id, e.script_id, e.status, e.trigger_type, e.trigger_data, e.input, e.attempt, e.error, e.error_code,
        e.event_id, e.dead_letter_id, e.started_at, e.completed_at
), letters AS (
    INSERT INTO script_event_dead_letters (id, script_id, tenant_id, execution_id, event_type, event_data, error, retry_count, last_retry_at, event_id, error_code)
    SELECT jsruntime_uuid_v7(), r.script_id, r.tenant_id, r.id, COALESCE(r.input->>'type', r.trigger_data->>'event_type', ''),
        COALESCE(jsruntime_input(r.tenant_id, r.event_id, r.trigger_type, r.input)->'data', 'null'),
        r.error, r.attempt - 1, CASE WHEN r.attempt > 1 THEN r.started_at END, r.event_id, r.error_code
    FROM rescued r WHERE r.status = 'failed' AND r.trigger_type = 'event' AND r.dead_letter_id IS NULL
), redriven AS (
    UPDATE script_event_dead_letters d
    SET error = COALESCE(r.error, ''), error_code = r.error_code, execution_id = r.id, retry_execution_id = NULL
    FROM rescued r WHERE d.id = r.dead_letter_id AND d.tenant_id = r.tenant_id AND r.status <> 'pending'
), schedules AS (
    UPDATE script_scheduled_jobs j
    SET is_running = false, lease_token = NULL, lease_expires_at = NULL, node_id = NULL, last_finished_at = now(),
        last_started_at = r.started_at, last_run_at = r.started_at, last_run_status = r.status, updated_at = now()
    FROM rescued r WHERE r.trigger_type = 'cron' AND r.status <> 'pending' AND j.script_id = r.script_id AND j.execution_id = r.id
)
SELECT r.id, r.tenant_id, r.script_id, r.status, r.trigger_type, COALESCE(r.error_code, '')::text AS error_code,
    (r.status = 'failed' AND r.trigger_type = 'event' OR r.status <> 'pending' AND r.dead_letter_id IS NOT NULL)::boolean AS dead_letter
FROM rescued r;

-- Ticks that were accepted before their script was paused, disabled, archived or its tenant suspended do not start afterwards.
-- name: ExecutionCancelStopped :many
WITH stopped AS MATERIALIZED (
    SELECT q.id, q.script_id FROM script_execution_queue q JOIN scripts s ON s.id = q.script_id JOIN tenants t ON t.id = q.tenant_id
    WHERE q.lease_token IS NULL AND q.tenant_id = @tenant_id AND q.script_id = @script_id AND q.trigger_type = 'cron'
      AND (s.status <> 'active' OR t.status <> 'active')
    LIMIT @row_limit FOR UPDATE OF q SKIP LOCKED
), gone AS (
    DELETE FROM script_execution_queue q USING stopped p WHERE q.id = p.id
), ended AS (
    UPDATE script_executions e
    SET status = 'cancelled', error_code = 'cancelled', error = 'the script or its tenant was stopped before the tick began', completed_at = now()
    FROM stopped p WHERE e.id = p.id
), freed AS (
    UPDATE script_scheduled_jobs j
    SET is_running = false, lease_token = NULL, lease_expires_at = NULL, node_id = NULL, last_run_status = 'cancelled', updated_at = now()
    FROM stopped p WHERE j.script_id = p.script_id AND j.execution_id = p.id
)
SELECT p.id, p.script_id FROM stopped p;

-- How many executions are due and wait, of those that may be claimed, up to a bound for each tenant and one for all. A loose scan
-- as ExecutionDiscover's, that counts the rows of each pair on its way, and goes on to the next tenant where a tenant's bound is
-- reached. Rows of active scripts are counted by the index alone; of a script that isn't active, which runs only what a person asked
-- for by hand, the first 20 are looked at.
-- name: ExecutionBacklog :one
WITH RECURSIVE bounds AS (
    SELECT @tenant_limit::bigint AS tenant_limit, @row_limit::bigint AS row_limit
), pairs AS (
    SELECT '00000000-0000-0000-0000-000000000000'::uuid AS tenant_id, '00000000-0000-0000-0000-000000000000'::uuid AS script_id,
        0::bigint AS of_tenant, 0::bigint AS total
    UNION ALL
    SELECT n.tenant_id, n.script_id, n.of_tenant + c.due, p.total + c.due
    FROM pairs p
    CROSS JOIN bounds b
    CROSS JOIN LATERAL (
        SELECT q.tenant_id, q.script_id, CASE WHEN q.tenant_id = p.tenant_id THEN p.of_tenant ELSE 0 END AS of_tenant FROM script_execution_queue q
        WHERE q.lease_token IS NULL AND (q.tenant_id, q.script_id) > (p.tenant_id,
            CASE WHEN p.of_tenant < b.tenant_limit THEN p.script_id ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff' END)
        ORDER BY q.tenant_id, q.script_id, q.run_at, q.id LIMIT 1
    ) n
    CROSS JOIN LATERAL (
        SELECT COALESCE((
            SELECT CASE s.status
                WHEN 'active' THEN (
                    SELECT count(*) FROM (
                        SELECT FROM script_execution_queue q
                        WHERE q.lease_token IS NULL AND q.tenant_id = t.id AND q.script_id = s.id AND q.run_at <= now()
                        LIMIT LEAST(b.tenant_limit - n.of_tenant, b.row_limit - p.total)
                    ) a)
                ELSE (
                    SELECT LEAST(count(*), b.tenant_limit - n.of_tenant, b.row_limit - p.total) FROM (
                        SELECT q.trigger_type FROM script_execution_queue q
                        WHERE q.lease_token IS NULL AND q.tenant_id = t.id AND q.script_id = s.id AND q.run_at <= now()
                        ORDER BY q.run_at, q.id LIMIT 20
                    ) h WHERE h.trigger_type IN ('manual', 'api'))
                END
            FROM tenants t JOIN scripts s ON s.id = n.script_id
            WHERE t.id = n.tenant_id AND t.status = 'active' AND s.status <> 'archived'
        ), 0) AS due OFFSET 0 -- or it is counted once for each place that names due
    ) c
    WHERE p.total < b.row_limit
)
SELECT max(p.total)::bigint FROM pairs p;

-- Deletes ended executions of a tenant that are older than its retention, oldest first, with their logs and calls. Those that did not complete may
-- have another retention. A partition is dropped as a whole once no tenant keeps any of it, so the rows of a tenant that keeps as long as
-- any wait longer for that (dated_…); those of the default partition, which stays, do not. What never began has no started_at.
-- name: ExecutionPrune :one
WITH dated AS (
    SELECT e.id FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id < jsruntime_id_floor(now() - make_interval(secs => LEAST(@dated_retention_seconds::float8, @dated_failed_seconds::float8)))
      AND e.started_at < now() - make_interval(secs => LEAST(@dated_retention_seconds::float8, @dated_failed_seconds::float8))
      AND (e.status = 'completed' AND e.started_at < now() - make_interval(secs => @dated_retention_seconds::float8)
           OR e.status IN ('failed', 'timeout', 'cancelled') AND e.started_at < now() - make_interval(secs => @dated_failed_seconds::float8))
    ORDER BY e.started_at LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
), other AS (
    SELECT e.id FROM script_executions_default e
    WHERE e.tenant_id = @tenant_id
      AND e.started_at < now() - make_interval(secs => LEAST(@retention_seconds::float8, @failed_seconds::float8))
      AND (e.status = 'completed' AND e.started_at < now() - make_interval(secs => @retention_seconds::float8)
           OR e.status IN ('failed', 'timeout', 'cancelled') AND e.started_at < now() - make_interval(secs => @failed_seconds::float8))
    ORDER BY e.started_at LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
), unstarted AS (
    SELECT e.id FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.status IN ('failed', 'timeout', 'cancelled') AND e.status <> 'completed' AND e.started_at IS NULL
      AND (e.id < jsruntime_id_floor(now() - make_interval(secs => @dated_failed_seconds::float8)) OR e.id >= '02000000-0000-0000-0000-000000000000')
      AND e.queued_at < now() - make_interval(secs => @failed_seconds::float8)
    LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
), old AS (
    SELECT dated.id FROM dated UNION SELECT other.id FROM other UNION SELECT unstarted.id FROM unstarted LIMIT @row_limit
), logs AS (
    DELETE FROM script_execution_logs l WHERE l.execution_id = ANY (ARRAY(SELECT old.id FROM old))
), calls AS (
    DELETE FROM script_execution_calls c WHERE c.execution_id = ANY (ARRAY(SELECT old.id FROM old))
), gone AS (
    DELETE FROM script_executions e WHERE e.id = ANY (ARRAY(SELECT old.id FROM old)) RETURNING e.id
)
SELECT count(*)::bigint FROM gone;

-- Deletes the oldest ended executions of a tenant that stores more than its quota, with their logs, and takes their bytes off. One node at a
-- time does it for a tenant. It returns the bytes that are left of all tables but kv, less than 0 where another node is at it.
-- name: ExecutionPruneOldest :one
WITH mine AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('jsruntime_storage ' || @tenant_id::uuid, 0)) AS locked
), old AS (
    SELECT e.id, jsruntime_execution_bytes(e) AS bytes FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.status IN ('completed', 'failed', 'timeout', 'cancelled') AND (SELECT mine.locked FROM mine)
    ORDER BY e.started_at LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
), logs AS (
    DELETE FROM script_execution_logs l WHERE l.execution_id = ANY (ARRAY(SELECT old.id FROM old)) RETURNING octet_length(l.message) + 120 AS bytes
), calls AS (
    DELETE FROM script_execution_calls c WHERE c.execution_id = ANY (ARRAY(SELECT old.id FROM old)) RETURNING jsruntime_call_bytes(c) AS bytes
), gone AS (
    DELETE FROM script_executions e WHERE e.id = ANY (ARRAY(SELECT old.id FROM old)) RETURNING e.id
), freed AS (
    UPDATE tenant_storage s SET bytes = GREATEST(s.bytes - f.bytes, 0)
    FROM (SELECT 'script_executions' AS table_name, COALESCE(sum(old.bytes), 0)::bigint AS bytes FROM old
          UNION ALL SELECT 'script_execution_logs', COALESCE(sum(logs.bytes), 0)::bigint FROM logs
          UNION ALL SELECT 'script_execution_calls', COALESCE(sum(calls.bytes), 0)::bigint FROM calls) f
    WHERE s.tenant_id = @tenant_id AND s.table_name = f.table_name
    RETURNING f.bytes
)
SELECT (SELECT count(*) FROM gone)::bigint AS rows, CASE WHEN (SELECT mine.locked FROM mine) THEN COALESCE((SELECT sum(freed.bytes) FROM freed), 0) ELSE -1 END::bigint AS freed;

-- Makes the planner use the indexes that the queue's queries are made for, until the end of the transaction. Its statistics are
-- never of the queue as it is: after a burst of 40,000 events it read and sorted all of them for each claim, by the index of tenant
-- and status, which took 50 ms instead of one.
-- What is switched off counts as dear beyond all measure where it is the only way, and what is dear is compiled: jit is off too.
-- It also says that the transaction's own statements take what ends from the queue (migrations/00004_executions.sql).
-- name: QueuePlanByIndex :exec
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true),
    set_config('jsruntime.queue', 'kept', true);

-- Admin API: what ran in each span of time. A span is judged by the newest @look_at of its executions, so that the answer costs the same
-- however many there are. The spans are given by their first and last ids: an id begins with the time. first_id and until_id are the bounds of all
-- spans, by which the planner leaves out the other partitions.
-- name: ExecutionActivity :many
SELECT b.n::integer AS n, count(*)::bigint AS looked, count(*) FILTER (WHERE x.status IN ('failed', 'timeout'))::bigint AS failures,
    COALESCE(percentile_disc(0.5) WITHIN GROUP (ORDER BY x.duration_ms), 0)::float8 AS p50_ms,
    COALESCE(percentile_disc(0.99) WITHIN GROUP (ORDER BY x.duration_ms), 0)::float8 AS p99_ms,
    COALESCE(percentile_disc(0.99) WITHIN GROUP (ORDER BY x.queue_ms), 0)::float8 AS queue_p99_ms,
    COALESCE(sum(x.cpu_ms), 0)::float8 AS cpu_ms,
    count(*) FILTER (WHERE x.late)::bigint AS late_ticks
FROM (SELECT unnest(@ns::integer[]) AS n, unnest(@from_ids::uuid[]) AS from_id, unnest(@below_ids::uuid[]) AS below_id) b
CROSS JOIN LATERAL (
    SELECT e.status, (e.metrics->>'duration_ms')::float8 AS duration_ms, (e.metrics->>'queue_ms')::float8 AS queue_ms, (e.metrics->>'cpu_ms')::float8 AS cpu_ms,
        e.scheduled_for IS NOT NULL AND e.started_at > e.scheduled_for + make_interval(secs => 5) AS late
    FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.id >= b.from_id AND e.id < b.below_id AND e.id >= @first_id::uuid AND e.id < @until_id::uuid
    ORDER BY e.id DESC LIMIT @look_at::integer
) x
GROUP BY b.n ORDER BY b.n;

-- Admin API: the newest failures of a status, by which failures are grouped.
-- name: ExecutionFailures :many
SELECT e.id, e.script_id, COALESCE(s.name, '')::text AS script_name, e.version, e.error_code, COALESCE(left(e.error, 300), '')::text AS error, COALESCE(left(e.error_stack, 2000), '')::text AS error_stack, e.queued_at
FROM (SELECT * FROM script_executions f
    WHERE f.tenant_id = @tenant_id AND f.status = @status::text AND f.status <> 'completed' AND f.id >= @from_id::uuid
    ORDER BY f.id DESC LIMIT @row_limit) e
LEFT JOIN scripts s ON s.id = e.script_id
ORDER BY e.id DESC;
