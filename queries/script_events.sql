-- Events. See jsruntime_enqueue_event in migrations/00006_events.sql.

-- The event and its subscribers' executions, in the caller's transaction. Refusals are errors of SQLSTATE JSR01 to JSR05, a full
-- queue is queue_full. It wakes no scheduler: the caller does, once it has committed.
-- name: EventPublish :one
SELECT e.event_id::text AS event_id, e.executions::integer AS executions, e.duplicate::boolean AS duplicate, e.queue_full::boolean AS queue_full
FROM jsruntime_enqueue_event(@tenant_id::uuid, @type::text, @data::jsonb, sqlc.narg(id)::text, sqlc.narg(deliver_at)::timestamptz, @depth::integer,
    sqlc.narg(traceparent)::text) AS e;

-- A built-in event: see jsruntime_publish_built_in.
-- name: EventPublishBuiltIn :one
SELECT jsruntime_publish_built_in(@tenant_id::uuid, @type::text, @data::jsonb)::integer AS executions;

-- Wakes the nodes that listen.
-- name: QueueNotify :exec
SELECT pg_notify('jsruntime_queue', '');

-- Of engine/host: EventPublish with a delay by the database's clock.
-- name: EventPublishAfter :one
SELECT e.event_id::text AS event_id, e.executions::integer AS executions, e.duplicate::boolean AS duplicate, e.queue_full::boolean AS queue_full
FROM jsruntime_enqueue_event(@tenant_id::uuid, @type::text, @data::jsonb, sqlc.narg(id)::text,
    now() + make_interval(secs => @delay_seconds::float8), @depth::integer, sqlc.narg(traceparent)::text) AS e;

-- Scheduler: retention.

-- Deletes events that are older than a day and the retention, were delivered, and have no execution left that needs their data.
-- name: EventPrune :execrows
DELETE FROM script_events v WHERE (v.tenant_id, v.id) IN (
    SELECT o.tenant_id, o.id FROM script_events o
    WHERE o.published_at < now() - make_interval(secs => @retention_seconds::float8) AND o.published_at < now() - interval '1 day' AND o.deliver_at < now()
      AND NOT EXISTS (SELECT FROM script_executions e WHERE e.tenant_id = o.tenant_id AND e.event_id = o.id)
    ORDER BY o.published_at LIMIT @row_limit
);
