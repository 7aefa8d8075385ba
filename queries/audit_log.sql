-- Admin API.

-- name: AuditWrite :exec
INSERT INTO audit_log (id, tenant_id, actor_key_id, actor_name, actor_role, action, object_type, object_id, before, after, request_id)
VALUES (@id, sqlc.narg(tenant_id), sqlc.narg(actor_key_id), @actor_name, @actor_role, @action, @object_type, @object_id, sqlc.narg(before), sqlc.narg(after), sqlc.narg(request_id));

-- name: AuditLastOfScript :one
SELECT actor_name, created_at FROM audit_log
WHERE tenant_id = @tenant_id AND object_type = 'script' AND object_id = @script_id
ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: AuditList :many
SELECT * FROM audit_log
WHERE tenant_id = @tenant_id AND (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(action)::text IS NULL OR action = sqlc.narg(action))
  AND (sqlc.narg(object_type)::text IS NULL OR object_type = sqlc.narg(object_type))
  AND (sqlc.narg(object_id)::text IS NULL OR object_id = sqlc.narg(object_id))
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- The operator's own changes, by the index of these.
-- name: AuditListOperator :many
SELECT * FROM audit_log
WHERE (created_at, id) < (@before_at::timestamptz, @before_id::uuid) AND (tenant_id IS NULL OR actor_role = 'superadmin')
  AND (sqlc.narg(action)::text IS NULL OR action = sqlc.narg(action))
  AND (sqlc.narg(object_type)::text IS NULL OR object_type = sqlc.narg(object_type))
  AND (sqlc.narg(object_id)::text IS NULL OR object_id = sqlc.narg(object_id))
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- The operator's: all changes, of tenants that are deleted too.
-- name: AuditListAll :many
SELECT * FROM audit_log
WHERE (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(action)::text IS NULL OR action = sqlc.narg(action))
  AND (sqlc.narg(object_type)::text IS NULL OR object_type = sqlc.narg(object_type))
  AND (sqlc.narg(object_id)::text IS NULL OR object_id = sqlc.narg(object_id))
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- Scheduler: retention.
-- name: AuditPrune :execrows
DELETE FROM audit_log a WHERE a.id IN (
    SELECT o.id FROM audit_log o WHERE o.created_at < now() - make_interval(secs => @retention_seconds::float8) ORDER BY o.created_at LIMIT @row_limit
);
