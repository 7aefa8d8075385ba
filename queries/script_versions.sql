-- For the catalog.

-- name: ScriptVersionCompiled :one
SELECT compiled, source_map, handlers, settings FROM script_versions
WHERE script_id = @script_id AND tenant_id = @tenant_id AND version_number = @version_number;

-- What to compile of a version that nothing has compiled: a row that was inserted by SQL, or the source of a script that has none for its
-- newest version.
-- name: ScriptVersionSource :one
SELECT COALESCE(v.source, s.source)::text AS source FROM scripts s
LEFT JOIN script_versions v ON v.script_id = s.id AND v.version_number = @version_number::integer
WHERE s.id = @script_id AND s.tenant_id = @tenant_id AND (v.id IS NOT NULL OR s.version = @version_number::integer);

-- Keeps what was compiled of a version, unless another node was faster.
-- name: ScriptVersionKeepCompiled :exec
INSERT INTO script_versions (script_id, tenant_id, version_number, source, change_description, compiled, source_map, source_sha256, handlers, settings)
SELECT s.id, s.tenant_id, @version_number::integer, @source, 'written by SQL', @compiled, @source_map, @source_sha256, @handlers::text[], jsruntime_version_settings(s.id)
FROM scripts s WHERE s.id = @script_id AND s.tenant_id = @tenant_id
ON CONFLICT (script_id, version_number) DO UPDATE
SET compiled = EXCLUDED.compiled, source_map = EXCLUDED.source_map, source_sha256 = EXCLUDED.source_sha256, handlers = EXCLUDED.handlers
WHERE script_versions.compiled = '' AND script_versions.source = EXCLUDED.source;

-- Admin API.

-- name: VersionCreate :exec
INSERT INTO script_versions (id, script_id, tenant_id, version_number, source, files, main, settings, tag, change_description, created_by, compiled, source_map, source_sha256, handlers)
VALUES (@id, @script_id, @tenant_id, @version_number, @source, sqlc.narg(files), @main, @settings, sqlc.narg(tag), sqlc.narg(change_description), sqlc.narg(created_by),
    @compiled, @source_map, @source_sha256, @handlers);

-- What was compiled of a version, for another one with the same source.
-- name: VersionCompiled :one
SELECT compiled, source_map, source_sha256, handlers FROM script_versions
WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number = @version_number;

-- name: VersionByTag :one
SELECT version_number FROM script_versions WHERE tenant_id = @tenant_id AND script_id = @script_id AND tag = @tag::text;

-- name: VersionList :many
SELECT version_number, change_description, created_at, created_by, source_sha256, tag FROM script_versions
WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number < @before_number::integer
ORDER BY version_number DESC LIMIT @row_limit;

-- name: VersionGet :one
SELECT * FROM script_versions WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number = @version_number;

-- What a run of a version needs beside its code.
-- name: VersionHead :one
SELECT version_number, handlers, settings FROM script_versions WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number = @version_number;

-- name: VersionHandlers :one
SELECT handlers FROM script_versions WHERE tenant_id = @tenant_id AND script_id = @script_id AND version_number = @version_number;

-- Scheduler: retention. A version is deleted when it is none of the newest, is not live nor the one that the live one replaced, is old, and no
-- execution that waits or runs names it.
-- name: VersionPrune :execrows
DELETE FROM script_versions v WHERE v.id IN (
    SELECT o.id FROM script_versions o JOIN scripts s ON s.id = o.script_id
    WHERE o.version_number <= s.latest_version - @keep::integer AND o.version_number <> s.version AND o.version_number IS DISTINCT FROM s.candidate_version
      AND NOT EXISTS (SELECT FROM script_deployments d WHERE d.script_id = o.script_id AND d.status = 'active' AND d.previous_version = o.version_number) AND o.created_at < now() - make_interval(secs => @retention_seconds::float8)
      AND NOT EXISTS (SELECT FROM script_execution_queue q WHERE q.tenant_id = o.tenant_id AND q.script_id = o.script_id AND q.version = o.version_number)
    LIMIT @row_limit
);
