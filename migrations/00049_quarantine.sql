-- A quarantine is in the script's row, for all nodes and beyond their restarts. A change of status ends it, also by SQL.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION jsruntime_quarantine_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.quarantined_until := NULL;
    NEW.quarantine_reason := NULL;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_quarantine BEFORE UPDATE OF status, version ON scripts
    FOR EACH ROW WHEN (OLD.quarantined_until IS NOT NULL AND (NEW.status, NEW.version) IS DISTINCT FROM (OLD.status, OLD.version))
    EXECUTE FUNCTION jsruntime_quarantine_ends();

-- +goose Down
DROP TRIGGER tr_scripts_quarantine ON scripts;
DROP FUNCTION jsruntime_quarantine_ends();
