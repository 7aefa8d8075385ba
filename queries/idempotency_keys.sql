-- Admin API.

-- Takes the key: one row if it is new, or if whoever took it died more than five minutes ago without an answer or the answer is
-- older than 24 hours. Concurrent callers wait for one another on the primary key and then see no row.
-- name: IdempotencyTake :one
INSERT INTO idempotency_keys (scope, key, route, fingerprint) VALUES (@scope, @key, @route, @fingerprint)
ON CONFLICT (scope, key, route) DO UPDATE SET fingerprint = EXCLUDED.fingerprint, status_code = NULL, headers = NULL, body = NULL, created_at = now()
WHERE idempotency_keys.created_at < now() - interval '24 hours'
   OR (idempotency_keys.status_code IS NULL AND idempotency_keys.created_at < now() - interval '5 minutes')
RETURNING created_at;

-- name: IdempotencyGet :one
SELECT * FROM idempotency_keys WHERE scope = @scope AND key = @key AND route = @route;

-- name: IdempotencyFinish :exec
UPDATE idempotency_keys SET status_code = @status_code, headers = @headers, body = @body WHERE scope = @scope AND key = @key AND route = @route;

-- name: IdempotencyRelease :exec
DELETE FROM idempotency_keys WHERE scope = @scope AND key = @key AND route = @route AND status_code IS NULL;

-- name: IdempotencyPrune :execrows
DELETE FROM idempotency_keys WHERE (scope, key, route) IN (
    SELECT p.scope, p.key, p.route FROM idempotency_keys p WHERE p.created_at < now() - interval '24 hours' ORDER BY p.created_at LIMIT @row_limit
);
