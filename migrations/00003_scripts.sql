-- Scripts, their versions, endpoints and subscriptions: what the runtime keeps beside the data model.

-- +goose Up

-- version is the newest version_number; revision counts every change of the row and is the API's ETag. A quarantine is in the script's row,
-- for all nodes and beyond their restarts.
--   history   what is kept of the executions: {"store", "sample", "bodies", "redact"}; an empty object keeps everything
--   http      {"auth", "cors"}      retry   {"max_attempts", "backoff_ms", "max_backoff_ms", "jitter"}
--   schedule  {"overlap", "missed", "missed_window_seconds", "jitter_seconds", "retry_lost"}
-- What is not there has its default. metadata is free.
ALTER TABLE scripts
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN revision BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN timezone VARCHAR(100) NOT NULL DEFAULT 'UTC',
    ADD COLUMN quarantined_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN quarantine_reason TEXT,
    ADD COLUMN history JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_history CHECK (jsonb_typeof(history) = 'object'),
    ADD COLUMN http JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_http CHECK (jsonb_typeof(http) = 'object'),
    ADD COLUMN retry JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_retry CHECK (jsonb_typeof(retry) = 'object'),
    ADD COLUMN schedule JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_schedule CHECK (jsonb_typeof(schedule) = 'object');

CREATE INDEX idx_scripts_tenant_created ON scripts(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_scripts_tags ON scripts USING GIN(tags);
CREATE INDEX idx_scripts_organization ON scripts(organization_id);
CREATE INDEX idx_scripts_created_by ON scripts(created_by) WHERE created_by IS NOT NULL;

-- compiled is what a worker runs (one classic script made from source), source_map maps its stack traces back.
-- handlers are the names that the module's default export was seen to have when it was saved.
ALTER TABLE script_versions
    ADD COLUMN compiled TEXT NOT NULL DEFAULT '',
    ADD COLUMN source_map TEXT NOT NULL DEFAULT '',
    ADD COLUMN source_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN handlers TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];
CREATE INDEX idx_versions_created_by ON script_versions(created_by) WHERE created_by IS NOT NULL;

ALTER TABLE script_http_endpoints ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW();
CREATE INDEX idx_endpoints_tenant ON script_http_endpoints(tenant_id, id);
CREATE INDEX idx_endpoints_tenant_created ON script_http_endpoints(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_event_subs_tenant_created ON script_event_subscriptions(tenant_id, created_at DESC, id DESC);

-- A source that is changed by SQL is a new version, as it is through the API, which numbers it itself.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_source_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.revision := GREATEST(NEW.revision, OLD.revision + 1);
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_source BEFORE UPDATE OF source ON scripts
    FOR EACH ROW WHEN (NEW.source IS DISTINCT FROM OLD.source AND NEW.version = OLD.version) EXECUTE FUNCTION jsruntime_source_changed();

-- A change of status or version ends a quarantine, also by SQL.
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
DROP TRIGGER tr_scripts_source ON scripts;
DROP FUNCTION jsruntime_source_changed();
DROP INDEX idx_event_subs_tenant_created, idx_endpoints_tenant_created, idx_endpoints_tenant, idx_versions_created_by;
ALTER TABLE script_http_endpoints DROP COLUMN updated_at;
ALTER TABLE script_versions DROP COLUMN compiled, DROP COLUMN source_map, DROP COLUMN source_sha256, DROP COLUMN handlers;
DROP INDEX idx_scripts_created_by, idx_scripts_organization, idx_scripts_tags, idx_scripts_tenant_created;
ALTER TABLE scripts
    DROP COLUMN version, DROP COLUMN revision, DROP COLUMN timezone, DROP COLUMN quarantined_until, DROP COLUMN quarantine_reason,
    DROP COLUMN history, DROP COLUMN http, DROP COLUMN retry, DROP COLUMN schedule;
