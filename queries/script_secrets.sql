-- A placeholder outlives a new value, so that what scripts hold of it stays good.
-- name: SecretPut :exec
INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext, scripts, hosts, placeholder)
VALUES (@tenant_id, @name, @nonce, @ciphertext, sqlc.narg(scripts)::text[], sqlc.narg(hosts)::text[], sqlc.narg(placeholder))
ON CONFLICT (tenant_id, name) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext, scripts = excluded.scripts, hosts = excluded.hosts,
    placeholder = CASE WHEN excluded.hosts IS NOT NULL THEN COALESCE(script_secrets.placeholder, excluded.placeholder) END, updated_at = now();

-- name: SecretDelete :execrows
DELETE FROM script_secrets WHERE tenant_id = @tenant_id AND name = @name;

-- All but values: what the API may show.
-- name: SecretList :many
SELECT name, scripts, hosts, created_at, updated_at FROM script_secrets WHERE tenant_id = @tenant_id ORDER BY name;

-- name: SecretGet :one
SELECT name, scripts, hosts, created_at, updated_at FROM script_secrets WHERE tenant_id = @tenant_id AND name = @name;

-- name: SecretEnv :many
SELECT name, nonce, ciphertext, scripts, hosts, placeholder FROM script_secrets WHERE tenant_id = @tenant_id ORDER BY name;

-- Counts the tenant's secrets and their bytes besides the secret that is about to be written.
-- name: SecretCountOthers :one
SELECT count(*) AS secrets, COALESCE(sum(octet_length(ciphertext)), 0)::bigint AS bytes FROM script_secrets WHERE tenant_id = @tenant_id AND name <> @name;

-- name: SecretExists :one
SELECT EXISTS (SELECT FROM script_secrets WHERE tenant_id = @tenant_id AND name = @name);
