-- Admin API.

-- name: DeploymentCreate :one
INSERT INTO script_deployments (id, script_id, tenant_id, version_number, previous_version, percent, error_rate, min_runs, created_by)
VALUES (@id, @script_id, @tenant_id, @version_number, sqlc.narg(previous_version), @percent, sqlc.narg(error_rate), sqlc.narg(min_runs), sqlc.narg(created_by))
RETURNING *;

-- Ends what was deployed before: all of it, or with only_candidates what was deployed to a part. The script's row is locked by ScriptGetForUpdate
-- in the same transaction.
-- name: DeploymentSupersede :exec
UPDATE script_deployments SET status = 'superseded', ended_at = now()
WHERE tenant_id = @tenant_id AND script_id = @script_id AND status = 'active' AND (NOT @only_candidates::boolean OR percent < 100);

-- The newest active deployment of a script.
-- name: DeploymentActive :one
SELECT * FROM script_deployments WHERE tenant_id = @tenant_id AND script_id = @script_id AND status = 'active'
ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: DeploymentList :many
SELECT * FROM script_deployments
WHERE tenant_id = @tenant_id AND script_id = @script_id AND (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC LIMIT @row_limit;

-- For ledger and scheduler.

-- Adds to what ran of versions that are rolled out, and returns the deployments that have failed too often by it. Locks their rows in the order given:
-- callers sort by id.
-- name: DeploymentCount :many
UPDATE script_deployments d SET runs = d.runs + c.runs, failures = d.failures + c.failures
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@runs::bigint[]) AS runs, unnest(@failures::bigint[]) AS failures) c
WHERE d.id = c.id AND d.status = 'active'
RETURNING d.id, (d.percent < 100 AND COALESCE(d.runs >= d.min_runs AND d.failures > d.error_rate * d.runs, false))::boolean AS failed;

-- Takes versions back that failed too often: see jsruntime_revert_rollouts. A deployment that another node has taken back is not returned.
-- name: DeploymentRevert :many
SELECT r.tenant_id::uuid AS tenant_id, r.script_id::uuid AS script_id, r.version::integer AS version, r.reason::text AS reason
FROM jsruntime_revert_rollouts(@ids::uuid[]) r;
