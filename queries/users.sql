-- Admin API.

-- name: UserCreate :one
INSERT INTO users (tenant_id, organization_id, email, name, role)
VALUES (@tenant_id, @organization_id, @email, @name, @role) RETURNING *;

-- name: UserGet :one
SELECT * FROM users WHERE tenant_id = @tenant_id AND id = @id;

-- name: UserGetForUpdate :one
SELECT * FROM users WHERE tenant_id = @tenant_id AND id = @id FOR UPDATE;

-- name: UserList :many
SELECT * FROM users WHERE tenant_id = @tenant_id AND id < @before_id::integer ORDER BY id DESC LIMIT @row_limit;

-- name: UserUpdate :one
UPDATE users SET email = @email, name = @name, role = @role, organization_id = @organization_id
WHERE tenant_id = @tenant_id AND id = @id RETURNING *;

-- What a user made stays; who made it is forgotten.
-- name: UserForgetScripts :exec
UPDATE scripts SET created_by = NULL WHERE tenant_id = @tenant_id AND created_by = @id;

-- name: UserForgetVersions :exec
UPDATE script_versions SET created_by = NULL WHERE tenant_id = @tenant_id AND created_by = @id;

-- name: UserForgetDeployments :exec
UPDATE script_deployments SET created_by = NULL WHERE tenant_id = @tenant_id AND created_by = @id;

-- name: UserDelete :execrows
DELETE FROM users WHERE tenant_id = @tenant_id AND id = @id;
