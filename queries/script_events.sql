-- Events. See jsruntime_enqueue_event in migrations/00008.

-- The event and its subscribers' executions, in the caller's transaction. Refusals are errors of SQLSTATE JSR01 to JSR05, a full
-- queue is queue_full. It wakes nobody: the caller does, once it has committed.
-- name: EventPublish :one
SELECT e.event_id::text AS event_id, e.executions::integer AS executions, e.duplicate::boolean AS duplicate, e.queue_full::boolean AS queue_full
FROM jsruntime_enqueue_event(@tenant_id::uuid, @type::text, @data::jsonb, sqlc.narg(id)::text, sqlc.narg(deliver_at)::timestamptz, @depth::integer) AS e;

-- Wakes the nodes that listen.
-- name: QueueNotify :exec
SELECT pg_notify('jsruntime_queue', '');

-- Of engine/host: EventPublish with a delay by the database's clock.
-- name: EventPublishAfter :one
SELECT e.event_id::text AS event_id, e.executions::integer AS executions, e.duplicate::boolean AS duplicate, e.queue_full::boolean AS queue_full
FROM jsruntime_enqueue_event(@tenant_id::uuid, @type::text, @data::jsonb, sqlc.narg(id)::text,
    now() + make_interval(secs => @delay_seconds::float8), @depth::integer) AS e;
