-- For the catalog.

-- name: ScriptVersionCompiled :one
SELECT compiled, source_map, handlers FROM script_versions
WHERE script_id = @script_id AND tenant_id = @tenant_id AND version_number = @version_number;

-- Admin API.

-- name: VersionCreate :exec
INSERT INTO script_versions (id, script_id, tenant_id, version_number, source, change_description, created_by, compiled, source_map, source_sha256, handlers)
VALUES (@id, @script_id, @tenant_id, @version_number, @source, sqlc.narg(change_description), sqlc.narg(created_by), @compiled, @source_map, @source_sha256, @handlers);

-- name: VersionList :many
SELECT version_number, change_description, created_at, created_by, source_sha256 FROM script_versions
WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number < @before_number::integer
ORDER BY version_number DESC LIMIT @row_limit;

-- name: VersionGet :one
SELECT * FROM script_versions WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number = @version_number;

-- name: VersionHandlers :one
SELECT handlers FROM script_versions WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number = @version_number;
