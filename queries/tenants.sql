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
INSERT INTO tenants (id, slug, name, plan, settings) VALUES (@id, @slug, @name, @plan, @settings) RETURNING *;

-- name: TenantList :many
SELECT * FROM tenants
WHERE (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(status)::text IS NULL OR status = sqlc.narg(status))
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- Locks the tenant's row against a concurrent change; nothing else is locked after it but what the caller changes.
-- name: TenantGetForUpdate :one
SELECT * FROM tenants WHERE id = @id FOR UPDATE;

-- name: TenantUpdate :one
UPDATE tenants SET name = @name, slug = @slug, status = @status, plan = @plan, settings = @settings, updated_at = now() WHERE id = @id RETURNING *;

-- Scripts take executions, versions, endpoints, subscriptions, jobs, logs and dead letters with them.
-- name: TenantDeleteScripts :exec
DELETE FROM scripts WHERE tenant_id = @tenant_id;

-- name: TenantDeleteUsers :exec
DELETE FROM users WHERE tenant_id = @tenant_id;

-- name: TenantDelete :execrows
DELETE FROM tenants WHERE id = @id;
-- Scheduler: retention. Tenants in pages, with their own retention in days; less than 0 where their plan names none.
-- name: TenantRetention :many
SELECT t.id, COALESCE((t.plan->'retention'->>'executions_days')::float8, -1)::float8 AS executions_days,
    COALESCE((t.plan->'retention'->>'failed_days')::float8, -1)::float8 AS failed_days,
    COALESCE((t.plan->'retention'->>'logs_days')::float8, -1)::float8 AS logs_days
FROM tenants t WHERE t.id > @after_id ORDER BY t.id LIMIT @row_limit;
