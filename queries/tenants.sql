-- name: TenantGet :one
SELECT * FROM tenants WHERE id = @id;

-- For the catalog.

-- name: TenantListAll :many
-- In pages by id.
SELECT * FROM tenants WHERE id > @after_id ORDER BY id LIMIT @max_rows;

-- name: TenantListByIDs :many
SELECT * FROM tenants WHERE id = ANY(@ids::uuid[]);

-- Admin API.

-- name: TenantGetBySlug :one
SELECT * FROM tenants WHERE slug = @slug;

-- name: TenantCreate :one
INSERT INTO tenants (id, slug, name, settings) VALUES (@id, @slug, @name, @settings) RETURNING *;

-- name: TenantList :many
SELECT * FROM tenants
WHERE (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(status)::text IS NULL OR status = sqlc.narg(status))
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- Locks the tenant's row against a concurrent change; nothing else is locked after it but what the caller changes.
-- name: TenantGetForUpdate :one
SELECT * FROM tenants WHERE id = @id FOR UPDATE;

-- name: TenantUpdate :one
UPDATE tenants SET name = @name, slug = @slug, status = @status, settings = @settings, updated_at = now() WHERE id = @id RETURNING *;

-- Scripts take executions, versions, endpoints, subscriptions, jobs, logs and dead letters with them.
-- name: TenantDeleteScripts :exec
DELETE FROM scripts WHERE tenant_id = @tenant_id;

-- name: TenantDeleteUsers :exec
DELETE FROM users WHERE tenant_id = @tenant_id;

-- name: TenantDelete :execrows
DELETE FROM tenants WHERE id = @id;
-- Scheduler: retention. Tenants in pages, with their own retention in days, or 0.
-- name: TenantRetention :many
SELECT t.id, CASE WHEN jsonb_typeof(t.settings->'retention_days') = 'number' THEN LEAST((t.settings->>'retention_days')::float8, 36500) ELSE 0 END::float8 AS retention_days
FROM tenants t WHERE t.id > @after_id ORDER BY t.id LIMIT @row_limit;
