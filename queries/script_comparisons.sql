-- Comparisons of a version with what is on record: see migrations/00004_executions.sql.

-- No row comes back where the tenant has one that has not ended.
-- name: ComparisonInsert :one
INSERT INTO script_comparisons (id, tenant_id, script_id, version_number, options, node_id, lease_expires_at)
VALUES (@id, @tenant_id, @script_id, @version_number, @options, @node_id, now() + make_interval(secs => @lease_seconds::float8))
ON CONFLICT (tenant_id) WHERE status IN ('pending', 'running') DO NOTHING
RETURNING *;

-- name: ComparisonGet :one
SELECT * FROM script_comparisons WHERE tenant_id = @tenant_id AND id = @id;

-- Deletes all but the newest comparisons of a tenant.
-- name: ComparisonForget :execrows
DELETE FROM script_comparisons c WHERE c.tenant_id = @tenant_id AND c.id IN (
    SELECT o.id FROM script_comparisons o WHERE o.tenant_id = @tenant_id ORDER BY o.created_at DESC, o.id DESC OFFSET @keep::integer);

-- Takes a comparison that waits: no row comes back where it has failed meanwhile, or was deleted.
-- name: ComparisonBegin :one
UPDATE script_comparisons SET status = 'running', started_at = now(), lease_expires_at = now() + make_interval(secs => @lease_seconds::float8)
WHERE id = @id AND node_id = @node_id AND status = 'pending'
RETURNING *;

-- Renews the lease of a comparison, and says how far it is.
-- name: ComparisonProgress :execrows
UPDATE script_comparisons SET total = @total, same = @same, different = @different, failed = @failed, skipped = @skipped,
    lease_expires_at = now() + make_interval(secs => @lease_seconds::float8)
WHERE id = @id AND node_id = @node_id AND status IN ('pending', 'running');

-- name: ComparisonFinish :execrows
UPDATE script_comparisons SET status = @status, error = sqlc.narg(error), total = @total, same = @same, different = @different, failed = @failed,
    skipped = @skipped, costs = @costs, items = @items, lease_expires_at = NULL, completed_at = now()
WHERE id = @id AND node_id = @node_id AND status IN ('pending', 'running');

-- Ends the comparisons whose node is gone.
-- name: ComparisonExpire :execrows
UPDATE script_comparisons SET status = 'failed', error = 'the node that ran it was lost', lease_expires_at = NULL, completed_at = now()
WHERE lease_expires_at < now() AND status IN ('pending', 'running');

-- The last executions of a script that have ended by themselves, newest first, among its newest max_rows.
-- name: ComparisonInputs :many
SELECT w.id FROM (
    SELECT e.id, e.status, e.trigger_type FROM script_executions e
    WHERE e.tenant_id = @tenant_id AND e.script_id = @script_id ORDER BY e.id DESC LIMIT @max_rows::integer
) w
WHERE w.status = ANY (@statuses::text[]) AND w.trigger_type = ANY (@trigger_types::text[])
ORDER BY w.id DESC LIMIT @row_limit::integer;

-- name: ComparisonFetches :many
SELECT operation, target, bodies FROM script_execution_calls
WHERE tenant_id = @tenant_id AND execution_id = @execution_id AND kind = 'fetch' ORDER BY seq;
