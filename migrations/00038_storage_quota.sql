-- What a tenant stores, and what is left of one that is gone.
--
-- tenant_storage has the bytes of each tenant by table. Nodes add what they write and take off what they prune, in one statement every
-- second as they do with usage; now and then one of them counts a tenant anew (counted_at), which corrects what a node that was killed
-- has not told, and what is written with plain SQL. Bytes are those of the values as Postgres stores them, with an allowance for each row.
--
-- Usage and the audit log of a deleted tenant stay, under its id, for the operator: neither refers to tenants any more. Row-level
-- security goes by their tenant_id as before.

-- +goose Up
CREATE TABLE tenant_storage (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    table_name VARCHAR(63) NOT NULL,
    bytes BIGINT NOT NULL DEFAULT 0,
    counted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (tenant_id, table_name)
) WITH (fillfactor = 50);

-- What a row of the history takes: its values as they are stored, and 400 bytes for the rest and its share of the indexes.
CREATE FUNCTION jsruntime_execution_bytes(e script_executions) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT 400 + COALESCE(pg_column_size(e.input), 0) + COALESCE(pg_column_size(e.output), 0) + COALESCE(pg_column_size(e.trigger_data), 0)
        + COALESCE(pg_column_size(e.error), 0) + COALESCE(pg_column_size(e.error_stack), 0)
$$;
SELECT jsruntime_protect_tenant_tables();
REVOKE INSERT, UPDATE, DELETE ON tenant_storage FROM jsruntime_tenant;

ALTER TABLE audit_log DROP CONSTRAINT audit_log_tenant_id_fkey;
ALTER TABLE script_usage_daily DROP CONSTRAINT script_usage_daily_tenant_id_fkey;
CREATE INDEX idx_audit_log_created ON audit_log(created_at DESC, id DESC);
CREATE INDEX idx_usage_day ON script_usage_daily(day, tenant_id);
CREATE INDEX idx_dead_letters_created ON script_event_dead_letters(created_at);

-- +goose Down
DROP INDEX idx_dead_letters_created, idx_usage_day, idx_audit_log_created;
DELETE FROM script_usage_daily u WHERE NOT EXISTS (SELECT FROM tenants t WHERE t.id = u.tenant_id);
DELETE FROM audit_log a WHERE a.tenant_id IS NOT NULL AND NOT EXISTS (SELECT FROM tenants t WHERE t.id = a.tenant_id);
ALTER TABLE script_usage_daily ADD CONSTRAINT script_usage_daily_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id) ON DELETE CASCADE;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id) ON DELETE CASCADE;
DROP FUNCTION jsruntime_execution_bytes(script_executions);
DROP TABLE tenant_storage;
