-- name: TenantGet :one
SELECT * FROM tenants WHERE id = @id;

-- For the catalog.

-- name: TenantListAll :many
-- In pages by id.
SELECT * FROM tenants WHERE id > @after_id ORDER BY id LIMIT @max_rows;

-- name: TenantListByIDs :many
SELECT * FROM tenants WHERE id = ANY(@ids::uuid[]);
