-- Admin API.

-- Takes the key: one row if it is new, if who took it has gone without an answer (its node is dead, or it was five minutes ago),
-- or if the answer is older than 24 hours. Concurrent callers wait for one another on the primary key and then see no row. taken
-- tells this taking from any other.
-- name: IdempotencyTake :one
INSERT INTO idempotency_keys AS k (scope, key, route, fingerprint, node_id, taken)
VALUES (@scope, @key, @route, @fingerprint, sqlc.narg('node_id')::uuid, @taken::uuid)
ON CONFLICT (scope, key, route) DO UPDATE
SET fingerprint = EXCLUDED.fingerprint, node_id = EXCLUDED.node_id, taken = EXCLUDED.taken, status_code = NULL, headers = NULL, body = NULL, created_at = EXCLUDED.created_at
WHERE k.created_at < now() - interval '24 hours'
   OR (k.status_code IS NULL AND (k.created_at < now() - interval '5 minutes'
       OR EXISTS (SELECT FROM nodes n WHERE n.id = k.node_id AND n.heartbeat_at <= now() - interval '15 seconds')))
RETURNING created_at;

-- name: IdempotencyGet :one
SELECT * FROM idempotency_keys WHERE scope = @scope AND key = @key AND route = @route;

-- No row: another request has taken the key since.
-- name: IdempotencyFinish :execrows
UPDATE idempotency_keys SET status_code = @status_code, headers = @headers, body = @body
WHERE scope = @scope AND key = @key AND route = @route AND taken = @taken::uuid AND status_code IS NULL;

-- name: IdempotencyRelease :exec
DELETE FROM idempotency_keys k USING (
    SELECT unnest(@scopes::text[]) AS scope, unnest(@keys::text[]) AS key, unnest(@routes::text[]) AS route, unnest(@takens::uuid[]) AS taken
) r
WHERE k.scope = r.scope AND k.key = r.key AND k.route = r.route AND k.taken = r.taken AND k.status_code IS NULL;

-- name: IdempotencyPrune :execrows
DELETE FROM idempotency_keys WHERE (scope, key, route) IN (
    SELECT p.scope, p.key, p.route FROM idempotency_keys p WHERE p.created_at < now() - interval '24 hours' ORDER BY p.created_at LIMIT @row_limit
);
