-- For engine/quota: see migrations/00007_tenants_data.sql.

-- Tenants whose plan has quotas.
-- name: QuotaTenants :many
SELECT t.id FROM tenants t WHERE t.plan->'quotas' IS NOT NULL AND t.id > @after_id ORDER BY t.id LIMIT @row_limit;

-- What tenants used, by day, each from a day on.
-- name: QuotaUsage :many
SELECT u.tenant_id, u.day, u.executions, u.cpu_ms, u.egress_bytes
FROM (SELECT unnest(@tenant_ids::uuid[]) AS tenant_id, unnest(@from_days::date[]) AS from_day) a
CROSS JOIN LATERAL (SELECT * FROM tenant_usage_daily d WHERE d.tenant_id = a.tenant_id AND d.day >= a.from_day) u;

-- Notes that a tenant has passed a mark of a quota. Nothing is returned where that was noted before, on any node: who gets a row tells it, in the
-- same transaction.
-- name: QuotaNotice :many
INSERT INTO tenant_quota_notices (tenant_id, quota, per, period_start, mark)
SELECT t.id, @quota, @per, @period_start, @mark FROM tenants t WHERE t.id = @tenant_id
ON CONFLICT DO NOTHING RETURNING at;

-- Notes of periods that are long over.
-- name: QuotaNoticePrune :exec
DELETE FROM tenant_quota_notices n WHERE n.tenant_id = ANY(@tenant_ids::uuid[]) AND n.period_start < @before_day;
