-- name: SecretPut :exec
INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext)
VALUES (@tenant_id, @name, @nonce, @ciphertext)
ON CONFLICT (tenant_id, name) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext, updated_at = now();

-- name: SecretDelete :execrows
DELETE FROM script_secrets WHERE tenant_id = @tenant_id AND name = @name;

-- Names and dates only: what the API may show.
-- name: SecretList :many
SELECT name, created_at, updated_at FROM script_secrets WHERE tenant_id = @tenant_id ORDER BY name;

-- name: SecretEnv :many
SELECT name, nonce, ciphertext FROM script_secrets WHERE tenant_id = @tenant_id ORDER BY name;

-- Counts the tenant's secrets besides the secret that is about to be written.
-- name: SecretCountOthers :one
SELECT count(*) FROM script_secrets WHERE tenant_id = @tenant_id AND name <> @name;

-- name: SecretExists :one
SELECT EXISTS (SELECT FROM script_secrets WHERE tenant_id = @tenant_id AND name = @name);
