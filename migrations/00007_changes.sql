-- What a node keeps in memory, and how it learns that it is no longer true.
--
-- Every change is written down in jsruntime_changes by the transaction that makes it. A node reads what it has not seen yet:
-- at once when a notification on channel jsruntime_changed says so, and every few seconds in any case. So a notification is a
-- wake-up and nothing else; one that is lost, or never comes because a pooler stands between, costs seconds and no correctness.
--
-- Ids cannot order the reading: a transaction that took a lower id may commit later. A reader therefore remembers the oldest
-- transaction that was still running when it last read (pg_snapshot_xmin), and reads again from there; what it sees twice it
-- reloads twice.

-- +goose Up
CREATE TABLE jsruntime_changes (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    txid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name VARCHAR(63) NOT NULL,
    tenant_id UUID,
    script_id UUID,
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_changes_txid ON jsruntime_changes(txid);
CREATE INDEX idx_changes_at ON jsruntime_changes(at);

-- Runs as its owner: the role of a tenant's requests may change a script, and may not touch this table.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION jsruntime_notify_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    changed JSONB := to_jsonb(COALESCE(NEW, OLD));
    tenant UUID := CASE WHEN TG_TABLE_NAME = 'tenants' THEN changed->>'id' ELSE changed->>'tenant_id' END;
    script UUID := CASE WHEN TG_TABLE_NAME = 'scripts' THEN changed->>'id' ELSE changed->>'script_id' END;
BEGIN
    INSERT INTO jsruntime_changes (table_name, tenant_id, script_id) VALUES (TG_TABLE_NAME, tenant, script);
    PERFORM pg_notify('jsruntime_changed', TG_TABLE_NAME || ' ' || COALESCE(tenant::text, '-') || ' ' || COALESCE(script::text, '-'));
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE INDEX idx_endpoints_tenant ON script_http_endpoints(tenant_id, id);

-- The rows of today's usage are updated by every flush of every node: room on the page keeps these updates out of the index.
ALTER TABLE script_usage_daily SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);

-- +goose Down
ALTER TABLE script_usage_daily RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
DROP INDEX idx_endpoints_tenant;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION jsruntime_notify_changed() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    changed JSONB := to_jsonb(COALESCE(NEW, OLD));
    tenant TEXT := COALESCE(CASE WHEN TG_TABLE_NAME = 'tenants' THEN changed->>'id' ELSE changed->>'tenant_id' END, '-');
    script TEXT := COALESCE(CASE WHEN TG_TABLE_NAME = 'scripts' THEN changed->>'id' ELSE changed->>'script_id' END, '-');
BEGIN
    PERFORM pg_notify('jsruntime_changed', TG_TABLE_NAME || ' ' || tenant || ' ' || script);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP TABLE jsruntime_changes;
