-- Every change that a node keeps in memory is announced on channel jsruntime_changed, as "table tenant_id script_id".
-- The payload is a hint of what to read again; a node also polls, so a lost notification costs time, never correctness.
-- Rows that change with every execution (executions, ticks, logs) are not announced: a NOTIFY in each commit more than
-- halves the rate of inserts.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION jsruntime_notify_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER tr_tenants_changed AFTER INSERT OR UPDATE OR DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_scripts_changed AFTER INSERT OR UPDATE OR DELETE ON scripts FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_endpoints_changed AFTER INSERT OR UPDATE OR DELETE ON script_http_endpoints FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_secrets_changed AFTER INSERT OR UPDATE OR DELETE ON script_secrets FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_api_keys_changed AFTER UPDATE OF role, expires_at OR DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_jobs_changed AFTER INSERT OR DELETE OR UPDATE OF cron_expression, timezone, is_active, overlap_policy, missed_policy
    ON script_scheduled_jobs FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();

-- +goose Down
DROP TRIGGER tr_jobs_changed ON script_scheduled_jobs;
DROP TRIGGER tr_api_keys_changed ON api_keys;
DROP TRIGGER tr_secrets_changed ON script_secrets;
DROP TRIGGER tr_endpoints_changed ON script_http_endpoints;
DROP TRIGGER tr_scripts_changed ON scripts;
DROP TRIGGER tr_tenants_changed ON tenants;
DROP FUNCTION jsruntime_notify_changed();
