-- name: TenantGet :one
SELECT * FROM tenants WHERE id = @id;
