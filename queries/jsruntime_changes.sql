-- For the catalog.

-- name: ChangeBound :one
-- Every transaction below the bound has ended. Asked before ChangeList: what ends in between is seen twice then, and not missed.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid;

-- name: ChangeList :many
-- What was changed by transactions that ran when the caller last asked for a bound, or since; in pages by id.
SELECT c.id, c.table_name, c.tenant_id, c.script_id
FROM jsruntime_changes c
WHERE c.txid >= (@since_txid::bigint)::text::xid8 AND c.id > @after_id
ORDER BY c.id
LIMIT @max_rows;

-- name: ChangePrune :execrows
DELETE FROM jsruntime_changes WHERE at < now() - make_interval(secs => @keep_seconds::double precision);
