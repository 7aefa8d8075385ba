-- For the gateway: answers that are kept under idempotency keys. No row is locked for longer than its statement.

-- Takes a key for a script: one row if it is new, if its answer has expired, or if the request that took it has gone without an answer, because its
-- node is dead or its time is over. Of two requests that try at the same moment one waits for the other's statement and sees no row. taken
-- tells this taking from any other.
-- name: AnswerTake :execrows
INSERT INTO script_http_answers AS a (tenant_id, script_id, id, fingerprint, execution_id, node_id, taken, expires_at)
SELECT s.tenant_id, s.id, @id::bytea, @fingerprint::bytea, @execution_id::uuid, sqlc.narg(node_id)::uuid, @taken::uuid, now() + make_interval(secs => @hold_seconds::float8)
FROM scripts s WHERE s.id = @script_id AND s.tenant_id = @tenant_id
ON CONFLICT (script_id, id) DO UPDATE
SET fingerprint = EXCLUDED.fingerprint, execution_id = EXCLUDED.execution_id, node_id = EXCLUDED.node_id, taken = EXCLUDED.taken, status = NULL, answer = NULL,
    expires_at = EXCLUDED.expires_at
WHERE a.expires_at <= now()
   OR (a.status IS NULL AND EXISTS (SELECT FROM nodes n WHERE n.id = a.node_id AND n.heartbeat_at <= now() - interval '15 seconds'));

-- name: AnswerGet :one
SELECT fingerprint, execution_id, status, answer FROM script_http_answers WHERE tenant_id = @tenant_id AND script_id = @script_id AND id = @id;

-- No row: another request has taken the key since.
-- name: AnswerFinish :execrows
UPDATE script_http_answers SET status = @status::integer, answer = @answer, expires_at = now() + make_interval(secs => @ttl_seconds::float8)
WHERE tenant_id = @tenant_id AND script_id = @script_id AND id = @id AND taken = @taken::uuid AND status IS NULL;

-- name: AnswerRelease :exec
DELETE FROM script_http_answers WHERE tenant_id = @tenant_id AND script_id = @script_id AND id = @id AND taken = @taken::uuid AND status IS NULL;

-- How many a tenant has, up to a bound.
-- name: AnswerCount :one
SELECT count(*) FROM (SELECT FROM script_http_answers WHERE tenant_id = @tenant_id LIMIT @bound) a;

-- Scheduler: answers whose time is over.
-- name: AnswerPrune :execrows
DELETE FROM script_http_answers a WHERE a.ctid = ANY (ARRAY(
    SELECT o.ctid FROM script_http_answers o WHERE o.expires_at <= now() ORDER BY o.expires_at LIMIT @row_limit
));
