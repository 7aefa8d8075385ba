-- Admin API.

-- name: APIKeyCreate :one
INSERT INTO api_keys (id, tenant_id, name, role, prefix, key_hash, expires_at, user_id, scopes)
VALUES (@id, sqlc.narg(tenant_id), @name, @role, @prefix, @key_hash, sqlc.narg(expires_at), sqlc.narg(user_id), @scopes::text[]) RETURNING *;

-- The one row that a presented key is compared with. Expiry is judged by the database's clock; 1e9 is as good as never.
-- name: APIKeyLookup :one
SELECT k.id, k.name, k.role, k.prefix, k.key_hash, k.tenant_id, k.user_id, k.scopes,
    LEAST(COALESCE(EXTRACT(EPOCH FROM k.expires_at - now()), 1e9), 1e9)::float8 AS expires_in_seconds,
    COALESCE(t.slug, '')::text AS tenant_slug, COALESCE(t.status, '')::text AS tenant_status
FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
WHERE k.prefix = @prefix;

-- Locks the tenant's number of keys until the transaction ends, so that no two creations are both the last one that may be: a
-- concurrent caller waits.
-- name: APIKeyCountLock :exec
SELECT pg_advisory_xact_lock(hashtextextended('api_keys ' || @tenant_id::uuid, 0));

-- name: APIKeyCount :one
SELECT count(*) FILTER (WHERE expires_at IS NULL OR expires_at > now()) AS active, count(*) AS stored FROM api_keys WHERE tenant_id = @tenant_id;

-- name: APIKeyList :many
SELECT * FROM api_keys
WHERE tenant_id = @tenant_id AND (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- name: APIKeyGet :one
SELECT * FROM api_keys WHERE tenant_id = @tenant_id AND id = @id;

-- name: APIKeyDelete :execrows
DELETE FROM api_keys WHERE tenant_id = @tenant_id AND id = @id;

-- Written at most once a minute a key, in batches.
-- name: APIKeyTouch :exec
UPDATE api_keys k SET last_used_at = u.used_at
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@used_at::timestamptz[]) AS used_at) u
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.used_at);
