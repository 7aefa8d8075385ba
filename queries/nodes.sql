-- Admin API.

-- name: NodeList :many
SELECT *, (heartbeat_at > now() - interval '15 seconds')::boolean AS alive FROM nodes ORDER BY heartbeat_at DESC, id LIMIT @row_limit;
-- Scheduler: which nodes are alive.

-- Registers the node, and says that it is alive. One that cannot run counts as draining too: that leaves it out of the division of
-- limits, on nodes of a version that knows no can_run as well.
-- name: NodeBeat :exec
INSERT INTO nodes AS n (id, hostname, version, draining, can_run, load) VALUES (@id, @hostname, @version, @draining::boolean OR NOT @can_run::boolean, @can_run::boolean, @load)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), draining = EXCLUDED.draining, can_run = EXCLUDED.can_run, load = EXCLUDED.load;

-- The nodes that take work, in an order that all of them see, and the database's clock.
-- name: NodeLive :many
SELECT n.id, clock_timestamp()::timestamptz AS database_now FROM nodes n
WHERE NOT n.draining AND n.heartbeat_at > now() - make_interval(secs => @alive_seconds::float8)
ORDER BY n.id;

-- Signs the node off. It gives up the leases of schedules whose tick it has put into the queue: another node keeps them from now on. A row
-- that another transaction has locked is passed over, and its lease expires.
-- name: NodeRemove :exec
WITH given_up AS (
    UPDATE script_scheduled_jobs j SET lease_expires_at = now()
    WHERE j.id IN (
        SELECT r.id FROM script_scheduled_jobs r WHERE r.is_running AND r.lease_expires_at > now() AND r.node_id = @id FOR UPDATE SKIP LOCKED
    )
)
DELETE FROM nodes n WHERE n.id = @id;

-- Forgets nodes that have been silent for a day and hold nothing.
-- name: NodePrune :execrows
DELETE FROM nodes n WHERE n.heartbeat_at < now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM script_execution_queue q WHERE q.lease_token IS NOT NULL AND q.lease_expires_at > now() AND q.node_id = n.id);
