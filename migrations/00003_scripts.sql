-- Scripts, their versions, endpoints and subscriptions: what the runtime keeps beside the data model.

-- +goose Up

-- version is the version that is live, latest_version the newest number: versions may be saved and not live. The row has what the live version
-- has. revision counts every change of the row and is the API's ETag. A quarantine is in the script's row, for all nodes and beyond their restarts.
--   files     of a version that is made of several: path → text; source has the text of main then
--   candidate_version gets candidate_percent of the executions while the deployment candidate_deployment rolls it out; the others stay on version
--   history   what is kept of the executions: {"store", "sample", "bodies", "redact"}; an empty object keeps everything
--   breaker   {"failures", "action"}: what happens after so many failures in a row
--   http      {"auth", "cors", "rate_limit", "sticky", "hosts", "idempotency", "async"}      retry   {"max_attempts", "backoff_ms", "max_backoff_ms", "jitter"}
--   schedule  {"overlap", "missed", "missed_window_seconds", "jitter_seconds", "retry_lost"}
--   kv_namespaces   {NAME: {"prefix"?}}: names of env that are namespaces of kv
-- What is not there has its default. metadata is free.
ALTER TABLE scripts
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN latest_version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN files JSONB,
    ADD COLUMN main VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN candidate_version INTEGER,
    ADD COLUMN candidate_percent DOUBLE PRECISION CONSTRAINT ck_scripts_percent CHECK (candidate_percent > 0 AND candidate_percent < 100),
    ADD COLUMN candidate_deployment UUID,
    ADD COLUMN revision BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN timezone VARCHAR(100) NOT NULL DEFAULT 'UTC',
    ADD COLUMN quarantined_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN quarantine_reason TEXT,
    ADD COLUMN history JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_history CHECK (jsonb_typeof(history) = 'object'),
    ADD COLUMN http JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_http CHECK (jsonb_typeof(http) = 'object'),
    ADD COLUMN breaker JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_breaker CHECK (jsonb_typeof(breaker) = 'object'),
    ADD COLUMN retry JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_retry CHECK (jsonb_typeof(retry) = 'object'),
    ADD COLUMN schedule JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_schedule CHECK (jsonb_typeof(schedule) = 'object'),
    ADD COLUMN kv_namespaces JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_kv_namespaces CHECK (jsonb_typeof(kv_namespaces) = 'object'),
    ADD COLUMN egress JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_egress CHECK (jsonb_typeof(egress) = 'object');

CREATE INDEX idx_scripts_tenant_created ON scripts(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_scripts_quarantined ON scripts(tenant_id, quarantined_until) WHERE quarantined_until IS NOT NULL;
CREATE INDEX idx_scripts_tags ON scripts USING GIN(tags);
CREATE INDEX idx_scripts_organization ON scripts(organization_id);
CREATE INDEX idx_scripts_created_by ON scripts(created_by) WHERE created_by IS NOT NULL;

-- compiled is what a worker runs (one classic script made from source), source_map maps its stack traces back.
-- handlers are the names that the module's default export was seen to have when it was saved. settings are what decides behaviour beside the
-- source, as jsruntime_version_settings gives it; a member that is not there is the script's own. tag names the version beside its number.
ALTER TABLE script_versions
    ADD COLUMN files JSONB,
    ADD COLUMN main VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN settings JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_versions_settings CHECK (jsonb_typeof(settings) = 'object'),
    ADD COLUMN tag VARCHAR(100),
    ADD COLUMN compiled TEXT NOT NULL DEFAULT '',
    ADD COLUMN source_map TEXT NOT NULL DEFAULT '',
    ADD COLUMN source_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN handlers TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];
CREATE INDEX idx_versions_created_by ON script_versions(created_by) WHERE created_by IS NOT NULL;
CREATE UNIQUE INDEX uq_versions_script_tag ON script_versions(script_id, tag) WHERE tag IS NOT NULL;

-- What went live, and to which share. A deployment below 100 percent has the version of the one before beside it, which stays active until then;
-- with error_rate it is taken back once failures > error_rate * runs of at least min_runs: nodes add to runs and failures as they write executions.
CREATE TABLE script_deployments (
    id UUID PRIMARY KEY,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    version_number INTEGER NOT NULL,
    previous_version INTEGER,
    percent DOUBLE PRECISION NOT NULL CHECK (percent > 0 AND percent <= 100),
    status VARCHAR(20) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'superseded', 'reverted')),
    error_rate DOUBLE PRECISION,
    min_runs INTEGER,
    runs BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    created_by INTEGER REFERENCES users(id),
    ended_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_deployments_script ON script_deployments(script_id, created_at, id);
CREATE INDEX idx_deployments_tenant ON script_deployments(tenant_id);
CREATE INDEX idx_deployments_created_by ON script_deployments(created_by) WHERE created_by IS NOT NULL;

-- The version of a script's next execution.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_routed_version(live integer, candidate integer, candidate_percent double precision) RETURNS integer LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN candidate IS NOT NULL AND random() * 100 < candidate_percent THEN candidate ELSE live END
$$;
-- +goose StatementEnd

-- The settings of a script that belong to its version.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_version_settings(p_script_id uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('resource_limits', s.resource_limits, 'cron_expression', s.cron_expression, 'timezone', s.timezone,
        'http_path', s.http_path, 'http_methods', s.http_methods, 'event_types', s.event_types, 'history', s.history, 'http', s.http,
        'retry', s.retry, 'schedule', s.schedule, 'kv_namespaces', s.kv_namespaces, 'egress', s.egress, 'breaker', s.breaker))
    FROM scripts s WHERE s.id = p_script_id
$$;
-- +goose StatementEnd

ALTER TABLE script_http_endpoints ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW();
CREATE INDEX idx_endpoints_tenant ON script_http_endpoints(tenant_id, id);
CREATE INDEX idx_endpoints_tenant_created ON script_http_endpoints(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_event_subs_tenant_created ON script_event_subscriptions(tenant_id, created_at DESC, id DESC);

-- The hosts that scripts name in http.hosts: a host belongs to one tenant, whose scripts may share it. What is in scripts.http is what is served;
-- this table keeps two tenants from naming the same host, whatever the script's status, and is written by the trigger alone.
CREATE TABLE script_http_hosts (
    host VARCHAR(253) COLLATE "C" NOT NULL,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    PRIMARY KEY (host, script_id)
);
CREATE INDEX idx_http_hosts_script ON script_http_hosts(script_id);
CREATE INDEX idx_http_hosts_tenant ON script_http_hosts(tenant_id);

-- Takes the hosts of a script, and frees those that it names no longer. Each host is locked until the transaction ends, in the order of their
-- names: of two tenants that take a host at once, the second one waits for the first, sees its row, and fails with JSR06, whose message is the
-- host. The function runs as its owner, because a tenant does not see another one's hosts.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_take_hosts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    wanted TEXT[] := ARRAY(SELECT DISTINCT h COLLATE "C" FROM jsonb_array_elements_text(
        CASE WHEN jsonb_typeof(NEW.http->'hosts') = 'array' THEN NEW.http->'hosts' ELSE '[]'::jsonb END) h WHERE h IS NOT NULL ORDER BY 1);
    name TEXT;
BEGIN
    DELETE FROM script_http_hosts t WHERE t.script_id = NEW.id AND NOT t.host = ANY(wanted);
    FOREACH name IN ARRAY wanted LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('jsruntime host ' || name, 0));
        IF EXISTS (SELECT FROM script_http_hosts t WHERE t.host = name AND t.tenant_id <> NEW.tenant_id) THEN
            RAISE EXCEPTION USING ERRCODE = 'JSR06', MESSAGE = name;
        END IF;
        INSERT INTO script_http_hosts (host, script_id, tenant_id) VALUES (name, NEW.id, NEW.tenant_id) ON CONFLICT (host, script_id) DO NOTHING;
    END LOOP;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_hosts_given AFTER INSERT ON scripts FOR EACH ROW WHEN (NEW.http ? 'hosts') EXECUTE FUNCTION jsruntime_take_hosts();
CREATE TRIGGER tr_scripts_hosts AFTER UPDATE OF http ON scripts
    FOR EACH ROW WHEN (NEW.http->'hosts' IS DISTINCT FROM OLD.http->'hosts') EXECUTE FUNCTION jsruntime_take_hosts();

-- A source that is changed by SQL is a new version, as it is through the API, which numbers it itself.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_source_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.latest_version + 1;
    NEW.latest_version := NEW.version;
    NEW.files := NULL;
    NEW.main := '';
    NEW.revision := GREATEST(NEW.revision, OLD.revision + 1);
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_source BEFORE UPDATE OF source ON scripts
    FOR EACH ROW WHEN (NEW.source IS DISTINCT FROM OLD.source AND NEW.version = OLD.version) EXECUTE FUNCTION jsruntime_source_changed();

-- A version that is given by SQL.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_version_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.latest_version := NEW.version;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_latest BEFORE INSERT OR UPDATE OF version ON scripts
    FOR EACH ROW WHEN (NEW.version > NEW.latest_version) EXECUTE FUNCTION jsruntime_version_given();

-- Settings that are changed by SQL are the live version's.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_settings_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE script_versions v SET settings = jsruntime_version_settings(NEW.id) WHERE v.script_id = NEW.id AND v.version_number = NEW.version;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_settings AFTER UPDATE OF resource_limits, cron_expression, timezone, http_path, http_methods, event_types, history, http, retry, schedule, kv_namespaces, egress, breaker ON scripts
    FOR EACH ROW WHEN (NEW.version = OLD.version AND
        (NEW.resource_limits, NEW.cron_expression, NEW.timezone, NEW.http_path, NEW.http_methods, NEW.event_types, NEW.history, NEW.http, NEW.retry, NEW.schedule, NEW.kv_namespaces, NEW.egress, NEW.breaker) IS DISTINCT FROM
        (OLD.resource_limits, OLD.cron_expression, OLD.timezone, OLD.http_path, OLD.http_methods, OLD.event_types, OLD.history, OLD.http, OLD.retry, OLD.schedule, OLD.kv_namespaces, OLD.egress, OLD.breaker))
    EXECUTE FUNCTION jsruntime_settings_changed();

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
CREATE TRIGGER tr_scripts_quarantine BEFORE UPDATE OF status, version, source ON scripts
    FOR EACH ROW WHEN (OLD.quarantined_until IS NOT NULL AND (NEW.status, NEW.version, NEW.source) IS DISTINCT FROM (OLD.status, OLD.version, OLD.source))
    EXECUTE FUNCTION jsruntime_quarantine_ends();

-- +goose Down
DROP TRIGGER tr_scripts_quarantine ON scripts;
DROP FUNCTION jsruntime_quarantine_ends();
DROP TRIGGER tr_scripts_settings ON scripts;
DROP TRIGGER tr_scripts_latest ON scripts;
DROP FUNCTION jsruntime_version_given();
DROP FUNCTION jsruntime_settings_changed();
DROP TRIGGER tr_scripts_source ON scripts;
DROP FUNCTION jsruntime_source_changed();
DROP TRIGGER tr_scripts_hosts ON scripts;
DROP TRIGGER tr_scripts_hosts_given ON scripts;
DROP FUNCTION jsruntime_take_hosts();
DROP TABLE script_http_hosts;
DROP INDEX idx_event_subs_tenant_created, idx_endpoints_tenant_created, idx_endpoints_tenant, uq_versions_script_tag, idx_versions_created_by;
DROP FUNCTION jsruntime_version_settings(uuid);
DROP FUNCTION jsruntime_routed_version(integer, integer, double precision);
DROP TABLE script_deployments;
ALTER TABLE script_http_endpoints DROP COLUMN updated_at;
ALTER TABLE script_versions DROP COLUMN compiled, DROP COLUMN source_map, DROP COLUMN source_sha256, DROP COLUMN handlers,
    DROP COLUMN files, DROP COLUMN main, DROP COLUMN settings, DROP COLUMN tag;
DROP INDEX idx_scripts_quarantined, idx_scripts_created_by, idx_scripts_organization, idx_scripts_tags, idx_scripts_tenant_created;
ALTER TABLE scripts
    DROP COLUMN version, DROP COLUMN latest_version, DROP COLUMN files, DROP COLUMN main, DROP COLUMN candidate_version, DROP COLUMN candidate_percent,
    DROP COLUMN candidate_deployment, DROP COLUMN revision, DROP COLUMN timezone, DROP COLUMN quarantined_until, DROP COLUMN quarantine_reason,
    DROP COLUMN history, DROP COLUMN http, DROP COLUMN retry, DROP COLUMN schedule, DROP COLUMN kv_namespaces, DROP COLUMN egress, DROP COLUMN breaker;
