-- For the catalog.

-- name: ScriptHead :one
-- Everything of a script but its source.
SELECT s.id, s.tenant_id, t.slug AS tenant_slug, s.organization_id, s.name, s.type, s.status, s.version, s.resource_limits,
       s.metadata, s.quarantined_until
FROM scripts s JOIN tenants t ON t.id = s.tenant_id
WHERE s.id = @id AND s.tenant_id = @tenant_id;

-- name: ScriptIDByName :one
SELECT id FROM scripts WHERE tenant_id = @tenant_id AND name = @name;

-- name: ScriptIDsExisting :many
SELECT id FROM scripts WHERE id = ANY(@ids::uuid[]);
