-- Admin API.

-- name: AuditWrite :exec
INSERT INTO audit_log (id, tenant_id, actor_key_id, actor_name, actor_role, action, object_type, object_id, before, after, request_id)
VALUES (@id, sqlc.narg(tenant_id), sqlc.narg(actor_key_id), @actor_name, @actor_role, @action, @object_type, @object_id, sqlc.narg(before), sqlc.narg(after), sqlc.narg(request_id));

-- name: AuditList :many
SELECT * FROM audit_log
WHERE tenant_id = @tenant_id AND (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(action)::text IS NULL OR action = sqlc.narg(action))
  AND (sqlc.narg(object_type)::text IS NULL OR object_type = sqlc.narg(object_type))
  AND (sqlc.narg(object_id)::text IS NULL OR object_id = sqlc.narg(object_id))
ORDER BY created_at DESC, id DESC LIMIT @row_limit;
