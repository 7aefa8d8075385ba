-- For the catalog.

-- name: ScriptVersionCompiled :one
SELECT compiled, source_map, handlers FROM script_versions
WHERE script_id = @script_id AND tenant_id = @tenant_id AND version_number = @version_number;
