-- For the ledger and the scheduler.

-- name: UsageAdd :exec
-- Adds to the day's usage. Locks the rows it adds to, in the order given until the end of the transaction: callers sort by
-- tenant_id, day, script_id, outcome, so that two of them never wait for each other in a circle.
INSERT INTO script_usage_daily AS u (
    tenant_id, script_id, day, outcome, executions, cpu_ms, duration_ms, memory_byte_ms, egress_bytes, api_calls
)
SELECT unnest(@tenant_ids::uuid[]), unnest(@script_ids::uuid[]), unnest(@days::date[]), unnest(@outcomes::text[]),
       unnest(@executions::bigint[]), unnest(@cpu_ms::double precision[]), unnest(@duration_ms::double precision[]),
       unnest(@memory_byte_ms::double precision[]), unnest(@egress_bytes::bigint[]), unnest(@api_calls::bigint[])
ON CONFLICT (tenant_id, day, script_id, outcome) DO UPDATE SET
    executions = u.executions + EXCLUDED.executions,
    cpu_ms = u.cpu_ms + EXCLUDED.cpu_ms,
    duration_ms = u.duration_ms + EXCLUDED.duration_ms,
    memory_byte_ms = u.memory_byte_ms + EXCLUDED.memory_byte_ms,
    egress_bytes = u.egress_bytes + EXCLUDED.egress_bytes,
    api_calls = u.api_calls + EXCLUDED.api_calls;

-- The same by tenant and day. Callers sort by tenant_id, day, and add here after UsageAdd: every transaction locks rows of the one table before
-- those of the other.
-- name: TenantUsageAdd :exec
INSERT INTO tenant_usage_daily AS u (tenant_id, day, executions, cpu_ms, egress_bytes)
SELECT unnest(@tenant_ids::uuid[]), unnest(@days::date[]), unnest(@executions::bigint[]), unnest(@cpu_ms::double precision[]), unnest(@egress_bytes::bigint[])
ON CONFLICT (tenant_id, day) DO UPDATE SET
    executions = u.executions + EXCLUDED.executions,
    cpu_ms = u.cpu_ms + EXCLUDED.cpu_ms,
    egress_bytes = u.egress_bytes + EXCLUDED.egress_bytes;

-- For the ledger: marks of batches whose usage is counted.

-- Leaves a batch's mark, and takes away those of batches whose commit was answered. A mark that is there already is an error: the batch has been
-- counted.
-- name: UsageMark :exec
WITH answered AS (
    DELETE FROM script_usage_marks m WHERE m.id = ANY(@answered::uuid[])
)
INSERT INTO script_usage_marks (id) VALUES (@id);

-- name: UsageMarked :one
SELECT EXISTS (SELECT FROM script_usage_marks m WHERE m.id = @id)::boolean;

-- Takes away the marks that nodes left when they ended.
-- name: UsageMarksPrune :exec
DELETE FROM script_usage_marks m WHERE m.at < now() - interval '1 day';

-- Admin API.

-- name: UsageList :many
SELECT u.day, u.script_id, COALESCE(s.name, '')::text AS script_name, u.outcome, u.executions, u.cpu_ms, u.duration_ms, u.memory_byte_ms, u.egress_bytes, u.api_calls
FROM script_usage_daily u LEFT JOIN scripts s ON s.id = u.script_id AND s.tenant_id = u.tenant_id
WHERE u.tenant_id = @tenant_id AND u.day >= @from_day AND u.day <= @to_day
  AND (sqlc.narg(script_id)::uuid IS NULL OR u.script_id = sqlc.narg(script_id))
ORDER BY u.day DESC, u.script_id, u.outcome LIMIT @row_limit;

-- The operator: what each tenant used from one day to another, those that are gone included.
-- name: UsageOfTenants :many
SELECT u.tenant_id, t.slug, t.name, u.outcome, sum(u.executions)::bigint AS executions, sum(u.cpu_ms)::float8 AS cpu_ms, sum(u.duration_ms)::float8 AS duration_ms,
    sum(u.memory_byte_ms)::float8 AS memory_byte_ms, sum(u.egress_bytes)::bigint AS egress_bytes, sum(u.api_calls)::bigint AS api_calls
FROM script_usage_daily u LEFT JOIN tenants t ON t.id = u.tenant_id
WHERE u.day >= @from_day AND u.day <= @to_day AND u.tenant_id > @after_id
GROUP BY u.tenant_id, t.slug, t.name, u.outcome ORDER BY u.tenant_id, u.outcome LIMIT @row_limit;
