-- Sessions of the console. All times are the database's.

-- name: ConsoleSessionCreate :exec
INSERT INTO console_sessions (id, tenant_id, key_id, operator_proof, token_hash, expires_at)
VALUES (@id, sqlc.narg(tenant_id), sqlc.narg(key_id), sqlc.narg(operator_proof), @token_hash, now() + make_interval(secs => @lifetime_seconds::float8));

-- The newest sessions of a key stay, older ones end. All sessions of the operator's keys, whose key_id is null, count as one key's.
-- name: ConsoleSessionTrim :exec
DELETE FROM console_sessions WHERE id IN (
    SELECT s.id FROM console_sessions s
    WHERE s.key_id = sqlc.narg(key_id) OR (s.key_id IS NULL AND sqlc.narg(key_id)::uuid IS NULL)
    ORDER BY s.created_at DESC, s.id DESC OFFSET @kept::int
);

-- A session that holds: before its absolute end, used within the idle time, and its key neither deleted (its sessions go with it) nor
-- expired. stale tells that its use is to be written.
-- name: ConsoleSessionLookup :one
SELECT s.id, s.key_id, s.token_hash, s.operator_proof,
    (s.seen_at < now() - make_interval(secs => @touch_seconds::float8))::boolean AS stale,
    LEAST(s.expires_at, k.expires_at)::timestamptz AS ends_at, s.seen_at,
    COALESCE(k.name, '')::text AS key_name, COALESCE(k.role, '')::text AS key_role, COALESCE(k.prefix, '')::text AS key_prefix, k.user_id,
    COALESCE(k.scopes, ARRAY[]::text[])::text[] AS key_scopes, k.tenant_id, COALESCE(t.slug, '')::text AS tenant_slug, COALESCE(t.status, '')::text AS tenant_status
FROM console_sessions s
LEFT JOIN api_keys k ON k.id = s.key_id
LEFT JOIN tenants t ON t.id = k.tenant_id
WHERE s.token_hash = @token_hash AND s.expires_at > now() AND s.seen_at > now() - make_interval(secs => @idle_seconds::float8)
  AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: ConsoleSessionTouch :one
UPDATE console_sessions SET seen_at = now() WHERE id = @id RETURNING seen_at;

-- name: ConsoleSessionDelete :execrows
DELETE FROM console_sessions WHERE id = @id;

-- name: ConsoleSessionDeleteByToken :exec
DELETE FROM console_sessions WHERE token_hash = @token_hash;

-- All sessions of a key and its unused links; those of the operator's keys where key_id is null.
-- name: ConsoleSessionDeleteAll :execrows
WITH links AS (
    DELETE FROM console_session_links l WHERE l.key_id = sqlc.narg(key_id) OR (l.key_id IS NULL AND sqlc.narg(key_id)::uuid IS NULL)
)
DELETE FROM console_sessions s WHERE s.key_id = sqlc.narg(key_id) OR (s.key_id IS NULL AND sqlc.narg(key_id)::uuid IS NULL);

-- name: ConsoleSessionPrune :exec
WITH links AS (DELETE FROM console_session_links l WHERE l.expires_at <= now())
DELETE FROM console_sessions s WHERE s.expires_at <= now() OR s.seen_at <= now() - make_interval(secs => @idle_seconds::float8);

-- name: ConsoleSessionLinkCreate :one
INSERT INTO console_session_links (id, tenant_id, key_id, operator_proof, token_hash, expires_at)
VALUES (@id, sqlc.narg(tenant_id), sqlc.narg(key_id), sqlc.narg(operator_proof), @token_hash, now() + make_interval(secs => @lifetime_seconds::float8))
RETURNING expires_at;

-- As ConsoleSessionTrim, for links.
-- name: ConsoleSessionLinkTrim :exec
DELETE FROM console_session_links WHERE id IN (
    SELECT l.id FROM console_session_links l
    WHERE l.key_id = sqlc.narg(key_id) OR (l.key_id IS NULL AND sqlc.narg(key_id)::uuid IS NULL)
    ORDER BY l.created_at DESC, l.id DESC OFFSET @kept::int
);

-- Takes a link out of use and returns it where it holds: of several callers at one time, on any node, one gets the row. Its key must
-- neither be deleted (its links go with it) nor expired.
-- name: ConsoleSessionLinkTake :one
DELETE FROM console_session_links l
WHERE l.token_hash = @token_hash AND l.expires_at > now()
  AND NOT EXISTS (SELECT FROM api_keys k WHERE k.id = l.key_id AND k.expires_at <= now())
RETURNING *;
