-- What tenants store: see migrations/00007_tenants_data.sql. Tables but script_kv count against max_history_bytes.

-- Adds to what tenants store. Callers sort by tenant and table, so that two nodes never wait for each other in a circle. Of tenants that are
-- gone nothing is kept.
-- name: StorageAdd :exec
INSERT INTO tenant_storage AS s (tenant_id, table_name, bytes)
SELECT a.tenant_id, a.table_name, GREATEST(a.bytes, 0)
FROM (SELECT unnest(@tenant_ids::uuid[]) AS tenant_id, unnest(@table_names::text[]) AS table_name, unnest(@bytes::bigint[]) AS bytes) a
JOIN tenants t ON t.id = a.tenant_id
ON CONFLICT (tenant_id, table_name) DO UPDATE SET bytes = GREATEST(s.bytes + (
    SELECT sum(b.bytes) FROM (SELECT unnest(@tenant_ids::uuid[]) AS tenant_id, unnest(@table_names::text[]) AS table_name, unnest(@bytes::bigint[]) AS bytes) b
    WHERE b.tenant_id = s.tenant_id AND b.table_name = s.table_name), 0);

-- name: StorageTotals :many
SELECT s.tenant_id, sum(s.bytes)::bigint AS bytes FROM tenant_storage s
WHERE s.tenant_id = ANY(@tenant_ids::uuid[]) AND s.table_name <> 'script_kv' GROUP BY s.tenant_id;

-- name: StorageByTable :many
SELECT s.table_name, s.bytes, s.counted_at FROM tenant_storage s WHERE s.tenant_id = @tenant_id ORDER BY s.table_name;

-- Tenants that store more than a share of their quota.
-- name: StorageOver :many
SELECT s.tenant_id, sum(s.bytes)::bigint AS bytes, q.quota::bigint AS quota, (min(s.counted_at) IS NULL OR min(s.counted_at) < now() - interval '10 minutes')::boolean AS stale
FROM tenant_storage s JOIN tenants t ON t.id = s.tenant_id
CROSS JOIN LATERAL (SELECT COALESCE((t.plan->>'max_history_bytes')::numeric::bigint, @default_bytes::bigint) AS quota) q
WHERE s.table_name <> 'script_kv'
GROUP BY s.tenant_id, q.quota HAVING sum(s.bytes) > q.quota * @share::float8;

-- Tenants whose bytes were not counted for a while, those that were never counted first.
-- name: StorageStale :many
SELECT t.id FROM tenants t
LEFT JOIN LATERAL (SELECT min(COALESCE(s.counted_at, '-infinity')) AS at FROM tenant_storage s WHERE s.tenant_id = t.id) c ON true
WHERE c.at IS NULL OR c.at < now() - make_interval(secs => @age_seconds::float8)
ORDER BY c.at NULLS FIRST, t.id LIMIT @row_limit;

-- Counts a tenant's bytes anew, unless another node is at it. Large values are not read for it: their size stands in the row.
-- name: StorageCount :execrows
INSERT INTO tenant_storage AS s (tenant_id, table_name, bytes, counted_at)
SELECT @tenant_id::uuid, c.table_name, c.bytes, now() FROM (
    SELECT 'script_executions' AS table_name, COALESCE(sum(jsruntime_execution_bytes(e)), 0)::bigint AS bytes FROM script_executions e WHERE e.tenant_id = @tenant_id
    UNION ALL SELECT 'script_execution_logs', COALESCE(sum(octet_length(l.message) + 120), 0)::bigint
        FROM scripts p JOIN script_execution_logs l ON l.script_id = p.id WHERE p.tenant_id = @tenant_id
    UNION ALL SELECT 'script_execution_calls', COALESCE(sum(jsruntime_call_bytes(c)), 0)::bigint
        FROM scripts p JOIN script_execution_calls c ON c.script_id = p.id WHERE p.tenant_id = @tenant_id
    UNION ALL SELECT 'script_comparisons', COALESCE(sum(pg_column_size(c.items) + 400), 0)::bigint FROM script_comparisons c WHERE c.tenant_id = @tenant_id
    UNION ALL SELECT 'scripts', COALESCE(sum(pg_column_size(p.source) + COALESCE(pg_column_size(p.files), 0) + COALESCE(pg_column_size(p.metadata), 0) + 500), 0)::bigint FROM scripts p WHERE p.tenant_id = @tenant_id
    UNION ALL SELECT 'script_versions', COALESCE(sum(pg_column_size(v.source) + pg_column_size(v.compiled) + pg_column_size(v.source_map) + COALESCE(pg_column_size(v.files), 0) + pg_column_size(v.settings) + 300), 0)::bigint
        FROM scripts p JOIN script_versions v ON v.script_id = p.id WHERE p.tenant_id = @tenant_id
    UNION ALL SELECT 'script_kv', COALESCE(sum(k.size_bytes + octet_length(k.key)), 0)::bigint FROM script_kv k WHERE k.tenant_id = @tenant_id
    UNION ALL SELECT 'script_events', COALESCE(sum(pg_column_size(v.data) + 150), 0)::bigint FROM script_events v WHERE v.tenant_id = @tenant_id
    UNION ALL SELECT 'script_event_dead_letters', COALESCE(sum(pg_column_size(d.event_data) + pg_column_size(d.error) + 250), 0)::bigint
        FROM script_event_dead_letters d WHERE d.tenant_id = @tenant_id
    UNION ALL SELECT 'audit_log', COALESCE(sum(COALESCE(pg_column_size(a.before), 0) + COALESCE(pg_column_size(a.after), 0) + 250), 0)::bigint
        FROM audit_log a WHERE a.tenant_id = @tenant_id
    UNION ALL SELECT 'idempotency_keys', COALESCE(sum(COALESCE(pg_column_size(i.body), 0) + COALESCE(pg_column_size(i.headers), 0) + 250), 0)::bigint
        FROM idempotency_keys i WHERE i.scope = (@tenant_id::uuid)::text
    UNION ALL SELECT 'script_http_answers', COALESCE(sum(COALESCE(pg_column_size(h.answer), 0) + 250), 0)::bigint
        FROM script_http_answers h WHERE h.tenant_id = @tenant_id
) c
WHERE pg_try_advisory_xact_lock(hashtextextended('jsruntime_storage_count ' || @tenant_id::uuid, 0))
  AND EXISTS (SELECT FROM tenants t WHERE t.id = @tenant_id)
ON CONFLICT (tenant_id, table_name) DO UPDATE SET bytes = EXCLUDED.bytes, counted_at = EXCLUDED.counted_at;
