-- Keeps the names of a tenant's secrets and vars apart: who adds one waits for another who does, and sees what it has added.
-- name: EnvLock :exec
SELECT pg_advisory_xact_lock(hashtextextended('jsruntime env ' || @tenant_id::text, 0));

-- name: VarList :many
SELECT name, value FROM script_vars WHERE tenant_id = @tenant_id ORDER BY name;

-- Sets vars; what does not change stays as it is, so that no worker is replaced for it.
-- name: VarPut :execrows
INSERT INTO script_vars (tenant_id, name, value)
SELECT @tenant_id, unnest(@names::text[]), unnest(@contents::text[])
ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = now() WHERE script_vars.value IS DISTINCT FROM excluded.value;

-- name: VarDeleteOthers :execrows
DELETE FROM script_vars WHERE tenant_id = @tenant_id AND name <> ALL (@keep::text[]);

-- name: VarDelete :execrows
DELETE FROM script_vars WHERE tenant_id = @tenant_id AND name = @name;

-- name: VarExists :one
SELECT EXISTS (SELECT FROM script_vars WHERE tenant_id = @tenant_id AND name = @name);

-- The first of the names that a secret has.
-- name: VarNamedAsSecret :one
SELECT name FROM script_secrets WHERE tenant_id = @tenant_id AND name = ANY (@names::text[]) ORDER BY name LIMIT 1;
