-- Admin API.

-- name: OrganizationCreate :one
INSERT INTO organizations (id, tenant_id, name, is_default) VALUES (@id, @tenant_id, @name, @is_default) RETURNING *;

-- name: OrganizationGet :one
SELECT * FROM organizations WHERE tenant_id = @tenant_id AND id = @id;

-- Locks the organization's row alone, so that an If-Match is judged against the row that is then changed.
-- name: OrganizationGetForUpdate :one
SELECT * FROM organizations WHERE tenant_id = @tenant_id AND id = @id FOR UPDATE;

-- name: OrganizationGetDefault :one
SELECT * FROM organizations WHERE tenant_id = @tenant_id AND is_default;

-- name: OrganizationGetByName :one
SELECT * FROM organizations WHERE tenant_id = @tenant_id AND name = @name;

-- name: OrganizationList :many
SELECT * FROM organizations
WHERE tenant_id = @tenant_id AND (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- name: OrganizationUpdate :one
UPDATE organizations SET name = @name WHERE tenant_id = @tenant_id AND id = @id RETURNING *;

-- name: OrganizationDelete :execrows
DELETE FROM organizations WHERE tenant_id = @tenant_id AND id = @id;
