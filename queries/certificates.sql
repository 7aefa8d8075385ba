-- What the node got from a certificate authority.

-- name: CertificateGet :one
SELECT data FROM certificates WHERE name = @name;

-- name: CertificatePut :exec
INSERT INTO certificates (name, data) VALUES (@name, @data)
ON CONFLICT (name) DO UPDATE SET data = EXCLUDED.data, updated_at = now();

-- name: CertificateDelete :exec
DELETE FROM certificates WHERE name = @name;
