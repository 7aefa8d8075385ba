-- For the catalog: the endpoints that answer requests, with what a request needs to know of their script.

-- name: EndpointListLive :many
-- All tenants', in pages by id. The page is cut before the join, so that a page costs a page whatever the planner believes; the
-- caller leaves out scripts that are not active.
SELECT p.id, p.script_id, p.tenant_id, p.http_path, p.http_methods, p.created_at,
       s.organization_id, s.name, s.version, s.candidate_version, s.candidate_percent, s.status, s.resource_limits, s.http, s.quarantined_until
FROM (
    SELECT * FROM script_http_endpoints e WHERE e.is_active AND e.id > @after_id ORDER BY e.id LIMIT @max_rows
) p JOIN scripts s ON s.id = p.script_id
ORDER BY p.id;

-- name: EndpointListLiveOfTenant :many
-- As EndpointListLive.
SELECT p.id, p.script_id, p.tenant_id, p.http_path, p.http_methods, p.created_at,
       s.organization_id, s.name, s.version, s.candidate_version, s.candidate_percent, s.status, s.resource_limits, s.http, s.quarantined_until
FROM (
    SELECT * FROM script_http_endpoints e WHERE e.is_active AND e.tenant_id = @tenant_id AND e.id > @after_id ORDER BY e.id LIMIT @max_rows
) p JOIN scripts s ON s.id = p.script_id
ORDER BY p.id;

-- name: EndpointListLiveOfScripts :many
-- As EndpointListLive.
SELECT p.id, p.script_id, p.tenant_id, p.http_path, p.http_methods, p.created_at,
       s.organization_id, s.name, s.version, s.candidate_version, s.candidate_percent, s.status, s.resource_limits, s.http, s.quarantined_until
FROM script_http_endpoints p JOIN scripts s ON s.id = p.script_id
WHERE p.is_active AND p.tenant_id = @tenant_id AND p.script_id = ANY(@script_ids::uuid[]);

-- Admin API.

-- name: EndpointUpsert :exec
INSERT INTO script_http_endpoints (id, script_id, tenant_id, http_path, http_methods, is_active)
VALUES (@id, @script_id, @tenant_id, @http_path, @http_methods, @is_active)
ON CONFLICT (script_id) DO UPDATE SET http_path = EXCLUDED.http_path, http_methods = EXCLUDED.http_methods,
    is_active = EXCLUDED.is_active, updated_at = now()
WHERE (script_http_endpoints.http_path, script_http_endpoints.http_methods, script_http_endpoints.is_active)
    IS DISTINCT FROM (EXCLUDED.http_path, EXCLUDED.http_methods, EXCLUDED.is_active);

-- name: EndpointList :many
SELECT e.*, s.name AS script_name FROM script_http_endpoints e JOIN scripts s ON s.id = e.script_id
WHERE e.tenant_id = @tenant_id AND (e.created_at, e.id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY e.created_at DESC, e.id DESC LIMIT @row_limit;

-- Paths that may match the same requests as one of the given shape: for one with parameters those with parameters, for another the same path and those
-- that are percent-encoded.
-- name: EndpointPatterns :many
SELECT script_id, http_path FROM script_http_endpoints
WHERE tenant_id = @tenant_id AND CASE WHEN @parameters::boolean THEN http_path LIKE '%/:%' OR http_path LIKE '%/*%'
    ELSE http_path = @shape OR http_path LIKE '%\%%' END;
