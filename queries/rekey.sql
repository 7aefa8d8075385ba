-- Encrypting what is stored with the newest of the secret keys (package engine/rekey). Each page locks its rows, in the order of the primary
-- key, until they are written: a new value waits for that, and is encrypted with the writer's own key. Two of these at once wait for each other.

-- name: RekeySecrets :many
SELECT tenant_id, name, nonce, ciphertext FROM script_secrets WHERE (tenant_id, name) > (@after_tenant::uuid, @after_name::text)
ORDER BY tenant_id, name LIMIT @row_limit FOR NO KEY UPDATE;

-- name: RekeySecretsWrite :execrows
UPDATE script_secrets s SET nonce = r.nonce, ciphertext = r.ciphertext
FROM (SELECT unnest(@tenants::uuid[]) AS tenant_id, unnest(@names::text[]) AS name, unnest(@nonces::bytea[]) AS nonce, unnest(@ciphertexts::bytea[]) AS ciphertext) r
WHERE s.tenant_id = r.tenant_id AND s.name = r.name;

-- name: RekeyCertificates :many
SELECT name, data FROM certificates WHERE name > @after_name ORDER BY name LIMIT @row_limit FOR NO KEY UPDATE;

-- name: RekeyCertificatesWrite :execrows
UPDATE certificates c SET data = r.data FROM (SELECT unnest(@names::text[]) AS name, unnest(@contents::bytea[]) AS data) r WHERE c.name = r.name;

-- name: RekeyWebhooks :many
SELECT id, tenant_id, nonce, ciphertext FROM webhooks WHERE id > @after_id ORDER BY id LIMIT @row_limit FOR NO KEY UPDATE;

-- name: RekeyWebhooksWrite :execrows
UPDATE webhooks w SET nonce = r.nonce, ciphertext = r.ciphertext
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@nonces::bytea[]) AS nonce, unnest(@ciphertexts::bytea[]) AS ciphertext) r WHERE w.id = r.id;
