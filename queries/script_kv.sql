-- A key past its expires_at is absent for every reader and writer; the sweep only takes away the row.

-- name: KVGet :one
SELECT value, metadata, expires_at, updated_at, size_bytes FROM script_kv
WHERE tenant_id = @tenant_id AND key = @key AND (expires_at IS NULL OR expires_at > now());

-- Writes lock the key's row only: two writers of one key take turns, the later one's value stays. What runs under a lease writes
-- while it has it: a statement that a node gave up when it was cut off may reach Postgres a minute later, when another node has run
-- the execution again.
-- name: KVPut :execrows
INSERT INTO script_kv (tenant_id, key, value, metadata, size_bytes, expires_at)
SELECT @tenant_id::uuid, @key::text, @value::text, sqlc.narg(metadata)::text, @size_bytes::integer, now() + make_interval(secs => sqlc.narg(ttl_seconds)::float8)
WHERE (sqlc.narg(lease)::uuid IS NULL OR EXISTS (SELECT FROM script_execution_queue q WHERE q.id = sqlc.narg(execution_id)::uuid AND q.lease_token = sqlc.narg(lease)::uuid))
ON CONFLICT (tenant_id, key) DO UPDATE
SET value = excluded.value, metadata = excluded.metadata, size_bytes = excluded.size_bytes, expires_at = excluded.expires_at, updated_at = now();

-- name: KVDelete :one
WITH gone AS (
    DELETE FROM script_kv kv WHERE kv.tenant_id = @tenant_id AND kv.key = @key
        AND (sqlc.narg(lease)::uuid IS NULL OR EXISTS (SELECT FROM script_execution_queue q WHERE q.id = sqlc.narg(execution_id)::uuid AND q.lease_token = sqlc.narg(lease)::uuid))
    RETURNING (kv.expires_at IS NULL OR kv.expires_at > now()) AS was_present
)
SELECT COALESCE(bool_or(was_present), false)::boolean AS deleted FROM gone;

-- The upper bound is what lets the primary key end the scan; U+10FFFF is in no key.
-- name: KVList :many
SELECT key, metadata, expires_at, updated_at, size_bytes FROM script_kv
WHERE tenant_id = @tenant_id AND key > @after::text AND key >= @prefix::text AND key < @prefix::text || chr(1114111)
    AND (expires_at IS NULL OR expires_at > now())
ORDER BY key
LIMIT @max_keys;

-- One statement, so that concurrent increments add up: each waits for the row, then sees the value before it. No row comes
-- back where the value is not a number, or the lease is lost; a sum that a double cannot hold is an error of class 22.
-- name: KVIncrement :one
INSERT INTO script_kv AS kv (tenant_id, key, value, size_bytes, expires_at)
SELECT @tenant_id::uuid, @key::text, (@delta::float8)::text, length((@delta::float8)::text), now() + make_interval(secs => sqlc.narg(ttl_seconds)::float8)
WHERE (sqlc.narg(lease)::uuid IS NULL OR EXISTS (SELECT FROM script_execution_queue q WHERE q.id = sqlc.narg(execution_id)::uuid AND q.lease_token = sqlc.narg(lease)::uuid))
ON CONFLICT (tenant_id, key) DO UPDATE
SET value = CASE WHEN kv.expires_at <= now() THEN excluded.value ELSE (kv.value::float8 + @delta::float8)::text END,
    metadata = CASE WHEN kv.expires_at <= now() THEN NULL ELSE kv.metadata END,
    size_bytes = CASE WHEN kv.expires_at <= now() THEN excluded.size_bytes
        ELSE length((kv.value::float8 + @delta::float8)::text) + COALESCE(octet_length(kv.metadata), 0) END,
    expires_at = CASE WHEN kv.expires_at <= now() THEN excluded.expires_at ELSE kv.expires_at END,
    updated_at = now()
WHERE kv.expires_at <= now() OR kv.value ~ '^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$'
RETURNING value;

-- Compare and set: of two writers that expect the same value one finds it. Postgres looks at the row again once it has waited for its lock.
-- name: KVSwap :execrows
UPDATE script_kv kv SET value = @value::text, metadata = sqlc.narg(metadata)::text, size_bytes = @size_bytes::integer, updated_at = now(),
    expires_at = now() + make_interval(secs => sqlc.narg(ttl_seconds)::float8)
WHERE kv.tenant_id = @tenant_id AND kv.key = @key AND kv.value = @expected::text AND (kv.expires_at IS NULL OR kv.expires_at > now())
    AND (sqlc.narg(lease)::uuid IS NULL OR EXISTS (SELECT FROM script_execution_queue q WHERE q.id = sqlc.narg(execution_id)::uuid AND q.lease_token = sqlc.narg(lease)::uuid));

-- The same where null is expected, which is also what a script reads of a key that is absent.
-- name: KVSwapNull :execrows
INSERT INTO script_kv AS kv (tenant_id, key, value, metadata, size_bytes, expires_at)
SELECT @tenant_id::uuid, @key::text, @value::text, sqlc.narg(metadata)::text, @size_bytes::integer, now() + make_interval(secs => sqlc.narg(ttl_seconds)::float8)
WHERE (sqlc.narg(lease)::uuid IS NULL OR EXISTS (SELECT FROM script_execution_queue q WHERE q.id = sqlc.narg(execution_id)::uuid AND q.lease_token = sqlc.narg(lease)::uuid))
ON CONFLICT (tenant_id, key) DO UPDATE
SET value = excluded.value, metadata = excluded.metadata, size_bytes = excluded.size_bytes, expires_at = excluded.expires_at, updated_at = now()
WHERE kv.value = 'null' OR kv.expires_at <= now();

-- What a tenant's kv holds, and its own quota if its plan names one.
-- name: KVUsage :one
SELECT COALESCE(sum(kv.size_bytes + octet_length(kv.key)), 0)::bigint AS bytes, count(kv.key) AS keys,
    COALESCE((t.plan->>'max_kv_bytes')::numeric::bigint, -1)::bigint AS max_bytes
FROM tenants t LEFT JOIN script_kv kv ON kv.tenant_id = t.id
WHERE t.id = @tenant_id
GROUP BY t.id;

-- Rows that a writer holds are skipped: it may just have given the key a new life.
-- name: KVSweep :execrows
DELETE FROM script_kv WHERE (tenant_id, key) IN (
    SELECT old.tenant_id, old.key FROM script_kv old WHERE old.expires_at <= now()
    ORDER BY old.expires_at LIMIT @max_rows FOR UPDATE SKIP LOCKED
);
