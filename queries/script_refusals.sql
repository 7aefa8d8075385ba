-- For the ledger: requests that were refused.

-- Adds counts. Rows are in the order of their keys, so that two nodes that add to the same ones wait for one another once, and never in a circle. Those of
-- scripts that are gone are left out.
-- name: RefusalsAdd :exec
INSERT INTO script_refusals AS r (tenant_id, script_id, minute, code, refused)
SELECT s.tenant_id, s.id, h.minute, h.code, h.refused
FROM (
    SELECT unnest(@script_ids::uuid[]) AS script_id, unnest(@tenant_ids::uuid[]) AS tenant_id, unnest(@minutes::timestamptz[]) AS minute,
        unnest(@codes::text[]) AS code, unnest(@refused::bigint[]) AS refused
) h
JOIN scripts s ON s.id = h.script_id AND s.tenant_id = h.tenant_id
ORDER BY s.tenant_id, h.minute, s.id, h.code
ON CONFLICT (tenant_id, minute, script_id, code) DO UPDATE SET refused = r.refused + EXCLUDED.refused;

-- Admin API: newest minute first, a script's reasons of one minute together.
-- name: RefusalPage :many
SELECT r.minute, r.script_id, s.name AS script_name, sum(r.refused)::bigint AS refused, jsonb_object_agg(r.code, r.refused)::jsonb AS reasons
FROM script_refusals r JOIN scripts s ON s.id = r.script_id
WHERE r.tenant_id = @tenant_id AND (r.minute, r.script_id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(script_id)::uuid IS NULL OR r.script_id = sqlc.narg(script_id))
  AND (sqlc.narg(since)::timestamptz IS NULL OR r.minute >= sqlc.narg(since))
  AND (sqlc.narg(until)::timestamptz IS NULL OR r.minute < sqlc.narg(until))
GROUP BY r.minute, r.script_id, s.name
ORDER BY r.minute DESC, r.script_id DESC LIMIT @row_limit;

-- Scheduler: retention.
-- name: RefusalPrune :execrows
DELETE FROM script_refusals r WHERE r.ctid = ANY (ARRAY(
    SELECT o.ctid FROM script_refusals o WHERE o.minute < now() - make_interval(secs => @retention_seconds::float8) ORDER BY o.minute LIMIT @row_limit
));
