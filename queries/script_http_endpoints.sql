-- For the catalog: the endpoints that answer requests, with what a request needs to know of their script.

-- name: EndpointListLive :many
-- All tenants', in pages by id.
SELECT p.id, p.script_id, p.tenant_id, p.http_path, p.http_methods, p.created_at,
       s.organization_id, s.name, s.version, s.resource_limits, s.metadata, s.quarantined_until
FROM script_http_endpoints p JOIN scripts s ON s.id = p.script_id
WHERE p.is_active AND s.status = 'active' AND p.id > @after_id
ORDER BY p.id
LIMIT @max_rows;

-- name: EndpointListLiveOfTenant :many
SELECT p.id, p.script_id, p.tenant_id, p.http_path, p.http_methods, p.created_at,
       s.organization_id, s.name, s.version, s.resource_limits, s.metadata, s.quarantined_until
FROM script_http_endpoints p JOIN scripts s ON s.id = p.script_id
WHERE p.is_active AND s.status = 'active' AND p.tenant_id = @tenant_id AND p.id > @after_id
ORDER BY p.id
LIMIT @max_rows;

-- name: EndpointListLiveOfScripts :many
SELECT p.id, p.script_id, p.tenant_id, p.http_path, p.http_methods, p.created_at,
       s.organization_id, s.name, s.version, s.resource_limits, s.metadata, s.quarantined_until
FROM script_http_endpoints p JOIN scripts s ON s.id = p.script_id
WHERE p.is_active AND s.status = 'active' AND p.tenant_id = @tenant_id AND p.script_id = ANY(@script_ids::uuid[]);
