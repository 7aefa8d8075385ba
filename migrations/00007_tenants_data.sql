-- What a tenant has beside its scripts: kv, secrets, idempotency keys, audit log, usage, refusals, webhooks, how scripts do that fail, and the count
-- of what it stores.

-- +goose Up

-- A kv value comes back as the script wrote it: jsonb reorders members and refuses \u0000, lone surrogates and deep nesting.
-- The text is what JSON.stringify gave, so it never holds a NUL itself.
CREATE TABLE script_kv (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    key VARCHAR(512) COLLATE "C" NOT NULL,
    value TEXT NOT NULL,
    metadata TEXT, -- JSON text of the key's writer, which lists show; NULL: none
    size_bytes INTEGER NOT NULL CONSTRAINT ck_script_kv_size CHECK (size_bytes >= 0), -- of value and metadata
    expires_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idx_script_kv_expires ON script_kv(expires_at) WHERE expires_at IS NOT NULL;

-- ciphertext is AES-256-GCM of the value with nonce; the additional data is tenant_id and name, so rows cannot be swapped.
-- scripts are the names of the scripts that see the secret; NULL: all. A secret with hosts is seen by none: they see placeholder, which the node
-- replaces in request headers to these hosts.
CREATE TABLE script_secrets (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    name VARCHAR(128) NOT NULL CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    nonce BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    scripts TEXT[] CONSTRAINT ck_script_secrets_scripts CHECK (cardinality(scripts) > 0),
    hosts TEXT[] CONSTRAINT ck_script_secrets_hosts CHECK (cardinality(hosts) > 0),
    placeholder VARCHAR(64),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT ck_script_secrets_placeholder CHECK ((hosts IS NULL) = (placeholder IS NULL))
);

-- Plain values that a tenant's scripts have on env beside its secrets. The API keeps the names of both apart; of one that is in both, the
-- secret counts.
CREATE TABLE script_vars (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    name VARCHAR(128) NOT NULL CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    value TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, name)
);

-- scope is the tenant's id, or 'operator'. status_code is null while the first request still runs.
-- node_id is the node that answers it, and taken names this taking of the key: the key of a dead node is free at once instead of after five
-- minutes, and a node that was taken for dead finds that the key is not its own any more.
CREATE TABLE idempotency_keys (
    scope VARCHAR(64) NOT NULL,
    key VARCHAR(255) NOT NULL,
    route VARCHAR(255) NOT NULL,
    fingerprint BYTEA NOT NULL,
    status_code INTEGER,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    node_id UUID,
    taken UUID,
    PRIMARY KEY (scope, key, route)
);
CREATE INDEX idx_idempotency_created ON idempotency_keys(created_at);

-- Append-only: who did what to which object, with the object before and after and no secrets in either.
-- It stays when the tenant is deleted, under its id, for the operator: tenant_id has no foreign key.
CREATE TABLE audit_log (
    id UUID PRIMARY KEY,
    tenant_id UUID,
    actor_key_id UUID,
    actor_name VARCHAR(255) NOT NULL,
    actor_role VARCHAR(50) NOT NULL,
    action VARCHAR(100) NOT NULL,
    object_type VARCHAR(50) NOT NULL,
    object_id VARCHAR(512) NOT NULL,
    before JSONB,
    after JSONB,
    request_id VARCHAR(64),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);
CREATE INDEX idx_audit_log_tenant ON audit_log(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_audit_log_object ON audit_log(tenant_id, object_id, created_at DESC, id DESC);
CREATE INDEX idx_audit_log_created ON audit_log(created_at DESC, id DESC);
CREATE INDEX idx_audit_log_operator ON audit_log(created_at DESC, id DESC) WHERE tenant_id IS NULL OR actor_role = 'superadmin';

-- outcome is the execution's status, or its error_code when it has one. memory_byte_ms is peak bytes times milliseconds.
-- No foreign keys: usage outlives the script and the tenant it is billed for.
-- The rows of today are updated by every flush of every node: room on the page keeps these updates out of the index.
CREATE TABLE script_usage_daily (
    tenant_id UUID NOT NULL,
    script_id UUID NOT NULL,
    day DATE NOT NULL,
    outcome VARCHAR(50) NOT NULL,
    executions BIGINT NOT NULL DEFAULT 0,
    cpu_ms DOUBLE PRECISION NOT NULL DEFAULT 0,
    duration_ms DOUBLE PRECISION NOT NULL DEFAULT 0,
    memory_byte_ms DOUBLE PRECISION NOT NULL DEFAULT 0,
    egress_bytes BIGINT NOT NULL DEFAULT 0,
    api_calls BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day, script_id, outcome)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
CREATE INDEX idx_usage_day ON script_usage_daily(day, tenant_id);

-- The sums of script_usage_daily by tenant and day, written in the same transaction: quotas are judged by them, without reading a row for
-- each script.
CREATE TABLE tenant_usage_daily (
    tenant_id UUID NOT NULL,
    day DATE NOT NULL,
    executions BIGINT NOT NULL DEFAULT 0,
    cpu_ms DOUBLE PRECISION NOT NULL DEFAULT 0,
    egress_bytes BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);

-- Which marks of their quotas tenants have passed, so that one of all nodes tells it, once a period.
CREATE TABLE tenant_quota_notices (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    quota VARCHAR(50) NOT NULL,
    per VARCHAR(10) NOT NULL CHECK (per IN ('day', 'month')),
    period_start DATE NOT NULL,
    mark VARCHAR(10) NOT NULL CHECK (mark IN ('soft', 'hard')),
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, quota, per, period_start, mark)
);

-- Usage of executions of which no history is kept leaves no row by which a node could tell, when the answer to its COMMIT was lost, whether it
-- has been counted. A batch with such executions leaves its mark here, which the node's next one takes away.
CREATE TABLE script_usage_marks (
    id UUID PRIMARY KEY,
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);

-- Requests that were refused before anything ran, by script, reason and minute: they have no execution. Nodes add to these rows in one statement
-- every second. refused counts those of one minute.
CREATE TABLE script_refusals (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    code VARCHAR(50) NOT NULL,
    refused BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, minute, script_id, code)
) WITH (fillfactor = 50);
CREATE INDEX idx_refusals_script ON script_refusals(script_id);
CREATE INDEX idx_refusals_minute ON script_refusals(minute);

-- Signed requests to endpoints that were admitted: the same one is not admitted again before expires_at. id is a SHA-256 of all that is signed.
CREATE TABLE script_signed_requests (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    id BYTEA NOT NULL CHECK (octet_length(id) = 32),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (script_id, id)
);
CREATE INDEX idx_signed_requests_expires ON script_signed_requests(expires_at);
CREATE INDEX idx_signed_requests_tenant ON script_signed_requests(tenant_id);

-- Answers of endpoints that honour idempotency keys (http.idempotency). id is a SHA-256 of the caller and the key, fingerprint one of the request.
-- status is null while the first request runs: on node_id, until expires_at at most; taken names this taking of the key. answer is encrypted with
-- a key that is made of the idempotency key, which is not stored; null beside a status: it was too large to be kept. execution_id is the run.
CREATE TABLE script_http_answers (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    id BYTEA NOT NULL CHECK (octet_length(id) = 32),
    fingerprint BYTEA NOT NULL CHECK (octet_length(fingerprint) = 32),
    execution_id UUID NOT NULL,
    node_id UUID,
    taken UUID NOT NULL,
    status INTEGER,
    answer BYTEA,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (script_id, id)
);
ALTER TABLE script_http_answers ALTER COLUMN answer SET STORAGE EXTERNAL; -- what is encrypted cannot be compressed
CREATE INDEX idx_http_answers_expires ON script_http_answers(expires_at);
CREATE INDEX idx_http_answers_tenant ON script_http_answers(tenant_id);

-- tenant_storage has the bytes of each tenant by table. Nodes add what they write and take off what they prune, in one statement every
-- second as they do with usage; now and then one of them counts a tenant anew (counted_at), which corrects what a node that was killed
-- has not told, and what is written with plain SQL. Bytes are those of the values as Postgres stores them, with an allowance for each row.
CREATE TABLE tenant_storage (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    table_name VARCHAR(63) NOT NULL,
    bytes BIGINT NOT NULL DEFAULT 0,
    counted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (tenant_id, table_name)
) WITH (fillfactor = 50);

-- Operational webhooks: where a tenant, or the operator (no tenant_id), hears of what happens to scripts. The secret signs deliveries
-- (standardwebhooks.com); its ciphertext is AES-256-GCM as that of script_secrets, for the tenant and the name "webhook ID".
CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    url VARCHAR(2048) NOT NULL,
    events TEXT[] NOT NULL CHECK (cardinality(events) > 0),
    nonce BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE, -- its receiver said that it is gone (410)
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);
CREATE INDEX idx_webhooks_tenant ON webhooks(tenant_id, created_at DESC, id DESC);

-- The queue of deliveries, and what became of them. tenant_id is the webhook's: deliveries of the operator's webhooks have none, also where their
-- event is about a tenant, so that no tenant sees them.
CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    webhook_id UUID NOT NULL REFERENCES webhooks(id) ON DELETE CASCADE,
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    event VARCHAR(50) NOT NULL,
    payload JSONB NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    run_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    lease_token UUID,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    response_status INTEGER, -- of the last attempt
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    CONSTRAINT ck_webhook_deliveries_leased CHECK (status = 'pending' OR lease_token IS NULL)
);
CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries(webhook_id, run_at) WHERE status = 'pending';
CREATE INDEX idx_webhook_deliveries_webhook ON webhook_deliveries(webhook_id, created_at DESC, id DESC);
CREATE INDEX idx_webhook_deliveries_created ON webhook_deliveries(created_at) WHERE status <> 'pending';
CREATE INDEX idx_webhook_deliveries_tenant ON webhook_deliveries(tenant_id);

-- Queues an event for the webhooks that want it, in the caller's transaction. A webhook with 1,000 deliveries waiting gets no more. The webhooks are
-- held until the caller's transaction ends: one that is deleted meanwhile is left out, and is no error of the caller.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_emit(about UUID, event TEXT, data JSONB) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO webhook_deliveries (webhook_id, tenant_id, event, payload)
    SELECT w.id, w.tenant_id, jsruntime_emit.event, jsonb_build_object('type', jsruntime_emit.event,
        'timestamp', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'data', jsonb_build_object('tenant_id', about) || data)
    FROM webhooks w
    WHERE (w.tenant_id = about OR w.tenant_id IS NULL) AND w.disabled_at IS NULL AND jsruntime_emit.event = ANY (w.events)
      AND (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'pending' LIMIT 1000) waiting) < 1000
    ORDER BY w.id FOR KEY SHARE OF w;
    IF FOUND THEN
        PERFORM pg_notify('jsruntime_webhooks', '');
    END IF;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_emit(UUID, TEXT, JSONB) FROM PUBLIC;

-- How scripts do that have failed: failures in a row over all nodes, the last with last_code. Executions that complete write nothing here: whether
-- one has since is seen in the count of script_usage_daily, which was completed on completed_day when a failure was last counted.
--   failing   there were as many failures as the script's breaker allows, or five; ends with an execution that completes
--   tripped   the breaker has opened; it opens once until the script completes, is activated or gets another version
--   opening   the breaker is to be opened, which a node does in a transaction of its own
-- No foreign keys: who counts failures must not wait for an editor who has locked a script. tr_scripts_healthless takes rows away.
CREATE TABLE script_health (
    script_id UUID PRIMARY KEY,
    tenant_id UUID NOT NULL,
    failures BIGINT NOT NULL DEFAULT 0,
    last_code VARCHAR(50) NOT NULL DEFAULT '',
    failed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    completed_day DATE NOT NULL,
    completed BIGINT NOT NULL,
    failing_since TIMESTAMP WITH TIME ZONE,
    tripped_at TIMESTAMP WITH TIME ZONE,
    opening BOOLEAN NOT NULL DEFAULT false
) WITH (fillfactor = 50);
CREATE INDEX idx_script_health_tenant ON script_health(tenant_id, failing_since) WHERE failing_since IS NOT NULL;
CREATE INDEX idx_script_health_failing ON script_health(script_id) WHERE failing_since IS NOT NULL;
CREATE INDEX idx_script_health_opening ON script_health(script_id) WHERE opening;

-- How many executions of a script have completed since the begin of a day.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_completed_since(p_tenant_id UUID, p_script_id UUID, p_day DATE) RETURNS BIGINT LANGUAGE sql STABLE AS $$
    SELECT COALESCE(sum(u.executions), 0)::bigint FROM script_usage_daily u
    WHERE u.tenant_id = p_tenant_id AND u.script_id = p_script_id AND u.outcome = 'completed'
      AND u.day = ANY (ARRAY(SELECT d::date FROM generate_series(p_day::timestamp, (now() AT TIME ZONE 'UTC')::date + interval '1 day', interval '1 day') d))
$$;
-- +goose StatementEnd

-- Counts failures of scripts in a row, after the executions and their usage are written: the last ones of a batch, with the code of the last. Failures
-- of versions that get no executions any more, or not yet, do not count. Locks rows of script_health in the order of their scripts' ids, and waits for
-- no lock of scripts, which others take before those of script_health.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_script_failures(script_ids UUID[], versions INTEGER[], failures BIGINT[], codes TEXT[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    ending RECORD;
    health script_health;
    today CONSTANT DATE := (now() AT TIME ZONE 'UTC')::date;
    bound BIGINT;
BEGIN
    FOR ending IN
        SELECT e.*, s.tenant_id, s.name, (s.breaker->>'failures')::bigint AS allowed
        FROM unnest(script_ids, versions, failures, codes) e(script_id, version, failures, code)
        JOIN scripts s ON s.id = e.script_id AND e.version IN (s.version, s.candidate_version)
        ORDER BY e.script_id, e.version
    LOOP
        INSERT INTO script_health (script_id, tenant_id, completed_day, completed)
        VALUES (ending.script_id, ending.tenant_id, today, jsruntime_completed_since(ending.tenant_id, ending.script_id, today)) ON CONFLICT DO NOTHING;
        SELECT h.* INTO STRICT health FROM script_health h WHERE h.script_id = ending.script_id FOR NO KEY UPDATE;
        IF jsruntime_completed_since(health.tenant_id, health.script_id, health.completed_day) <> health.completed THEN
            health.failures := 0;
            health.tripped_at := NULL;
            health.opening := false;
            IF health.failing_since IS NOT NULL THEN
                health.failing_since := NULL;
                PERFORM jsruntime_emit(health.tenant_id, 'script.recovered', jsonb_build_object('script_id', health.script_id, 'script_name', ending.name));
            END IF;
            health.completed_day := today;
            health.completed := jsruntime_completed_since(health.tenant_id, health.script_id, today);
        END IF;
        health.failures := health.failures + ending.failures;
        IF health.failures >= COALESCE(ending.allowed, 5) AND health.failing_since IS NULL THEN
            health.failing_since := now();
            PERFORM jsruntime_emit(health.tenant_id, 'script.failing', jsonb_build_object('script_id', health.script_id, 'script_name', ending.name,
                'version', ending.version, 'failures', health.failures, 'error_code', ending.code));
        END IF;
        IF health.failures >= ending.allowed AND health.tripped_at IS NULL THEN
            health.tripped_at := now();
            health.opening := true;
            PERFORM pg_notify('jsruntime_webhooks', '');
        END IF;
        UPDATE script_health h SET failures = health.failures, last_code = ending.code, failed_at = now(), completed_day = health.completed_day,
            completed = health.completed, failing_since = health.failing_since, tripped_at = health.tripped_at, opening = health.opening
        WHERE h.script_id = health.script_id;
    END LOOP;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_script_failures(UUID[], INTEGER[], BIGINT[], TEXT[]) FROM PUBLIC;

-- Ends the failing of scripts of which an execution has completed since, of the next p_most after one; returns the last that it looked at, or null
-- where it came to the end.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_recover_scripts(p_after UUID, p_most INTEGER) RETURNS UUID LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    failing RECORD;
    looked INTEGER := 0;
    last UUID;
BEGIN
    FOR failing IN
        SELECT h.script_id, h.tenant_id, h.completed, h.completed_day FROM script_health h
        WHERE h.failing_since IS NOT NULL AND h.script_id > p_after ORDER BY h.script_id LIMIT p_most
    LOOP
        looked := looked + 1;
        last := failing.script_id;
        CONTINUE WHEN jsruntime_completed_since(failing.tenant_id, failing.script_id, failing.completed_day) = failing.completed;
        UPDATE script_health h SET failures = 0, failing_since = NULL, tripped_at = NULL, opening = false
        WHERE h.script_id = failing.script_id AND h.failing_since IS NOT NULL AND h.completed = failing.completed AND h.completed_day = failing.completed_day;
        IF FOUND THEN
            PERFORM jsruntime_emit(failing.tenant_id, 'script.recovered', jsonb_build_object('script_id', failing.script_id,
                'script_name', (SELECT s.name FROM scripts s WHERE s.id = failing.script_id)));
        END IF;
    END LOOP;
    RETURN CASE WHEN looked < p_most THEN NULL ELSE last END;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_recover_scripts(UUID, INTEGER) FROM PUBLIC;

-- Opens the breakers that are due: pauses the script where its breaker says so, and tells. Locks scripts and then their rows of script_health;
-- scripts that another caller has locked are left for the next call.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_open_breakers() RETURNS INTEGER LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    due RECORD;
    health RECORD;
    opened INTEGER := 0;
    paused BOOLEAN;
BEGIN
    FOR due IN
        SELECT s.id, s.tenant_id, s.name, s.version, s.breaker FROM scripts s
        WHERE s.id IN (SELECT h.script_id FROM script_health h WHERE h.opening ORDER BY h.script_id LIMIT 100) ORDER BY s.id FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE script_health h SET opening = false WHERE h.script_id = due.id AND h.opening RETURNING h.failures, h.last_code INTO health;
        CONTINUE WHEN NOT FOUND OR due.breaker->>'failures' IS NULL;
        UPDATE scripts s SET status = 'paused', revision = s.revision + 1, updated_at = now()
        WHERE s.id = due.id AND s.status = 'active' AND COALESCE(due.breaker->>'action', 'pause') = 'pause';
        paused := FOUND;
        INSERT INTO audit_log (id, tenant_id, actor_name, actor_role, action, object_type, object_id, after)
        VALUES (jsruntime_uuid_v7(), due.tenant_id, 'jsruntime', 'system', 'script.breaker', 'script', due.id::text,
            jsonb_build_object('name', due.name, 'paused', paused, 'failures', health.failures, 'error_code', health.last_code));
        PERFORM jsruntime_emit(due.tenant_id, 'breaker.opened', jsonb_build_object('script_id', due.id, 'script_name', due.name, 'version', due.version,
            'failures', health.failures, 'error_code', health.last_code, 'paused', paused));
        opened := opened + 1;
    END LOOP;
    RETURN opened;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_open_breakers() FROM PUBLIC;

-- What webhooks tell of is told by the transaction that writes it.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'scripts' THEN
        PERFORM jsruntime_emit(NEW.tenant_id, 'script.quarantined', jsonb_build_object('script_id', NEW.id, 'script_name', NEW.name,
            'version', NEW.version, 'quarantined_until', to_char(NEW.quarantined_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'reason', NEW.quarantine_reason));
    WHEN 'script_event_dead_letters' THEN
        PERFORM jsruntime_emit(NEW.tenant_id, 'dead_letter.created', jsonb_build_object('dead_letter_id', NEW.id, 'script_id', NEW.script_id,
            'script_name', (SELECT s.name FROM scripts s WHERE s.id = NEW.script_id), 'execution_id', NEW.execution_id, 'event_type', NEW.event_type));
    WHEN 'script_schedule_ticks' THEN
        PERFORM jsruntime_emit(NEW.tenant_id, 'schedule.missed', jsonb_build_object('script_id', NEW.script_id,
            'script_name', (SELECT s.name FROM scripts s WHERE s.id = NEW.script_id),
            'scheduled_for', to_char(NEW.scheduled_for AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
    WHEN 'tenant_quota_notices' THEN
        PERFORM jsruntime_emit(NEW.tenant_id, CASE NEW.mark WHEN 'soft' THEN 'quota.warning' ELSE 'quota.exceeded' END,
            jsonb_build_object('quota', NEW.quota, 'per', NEW.per, 'period_start', NEW.period_start));
    END CASE;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_tell AFTER UPDATE OF quarantined_until ON scripts FOR EACH ROW
    WHEN (NEW.quarantined_until IS NOT NULL AND (OLD.quarantined_until IS NULL OR OLD.quarantined_until <= now())) EXECUTE FUNCTION jsruntime_tell();
CREATE TRIGGER tr_dead_letters_tell AFTER INSERT ON script_event_dead_letters FOR EACH ROW EXECUTE FUNCTION jsruntime_tell();
CREATE TRIGGER tr_ticks_tell AFTER INSERT ON script_schedule_ticks FOR EACH ROW WHEN (NEW.outcome = 'missed') EXECUTE FUNCTION jsruntime_tell();
CREATE TRIGGER tr_quota_notices_tell AFTER INSERT ON tenant_quota_notices FOR EACH ROW EXECUTE FUNCTION jsruntime_tell();

-- A script that is made active, or gets another version, begins without failures. It stays failing until it completes. One that is gone has no row.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_health_anew() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM script_health h WHERE h.script_id = OLD.id;
    ELSE
        UPDATE script_health h SET failures = 0, tripped_at = NULL, opening = false WHERE h.script_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_health AFTER UPDATE OF status, version, source ON scripts FOR EACH ROW
    WHEN ((NEW.status = 'active' AND OLD.status <> 'active') OR NEW.version <> OLD.version) EXECUTE FUNCTION jsruntime_health_anew();
CREATE TRIGGER tr_scripts_healthless AFTER DELETE ON scripts FOR EACH ROW EXECUTE FUNCTION jsruntime_health_anew();

-- Takes deployments back that have failed too often: their versions get no further executions, the audit log has a row, and subscribers of the
-- built-in event and webhooks hear of it. Locks scripts and then their deployments, as activation does; what another caller has taken back is left out.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_revert_rollouts(p_ids uuid[]) RETURNS TABLE (tenant_id uuid, script_id uuid, version integer, reason text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    candidate RECORD;
    told jsonb;
BEGIN
    PERFORM FROM scripts s WHERE s.candidate_deployment = ANY (p_ids)
        AND s.id IN (SELECT d.script_id FROM script_deployments d WHERE d.id = ANY (p_ids)) ORDER BY s.id FOR UPDATE;
    FOR candidate IN
        UPDATE script_deployments d SET status = 'reverted', ended_at = now(),
            reason = format('%s of %s executions failed, which is more than %s %%', d.failures, d.runs, trim_scale(round((d.error_rate * 100)::numeric, 4)))
        FROM scripts s
        WHERE d.id = ANY (p_ids) AND s.id = d.script_id AND s.candidate_deployment = d.id AND d.status = 'active' AND d.percent < 100
          AND d.runs >= d.min_runs AND d.failures > d.error_rate * d.runs
        RETURNING d.*, s.name, s.type, s.version AS live
    LOOP
        UPDATE scripts s SET candidate_version = NULL, candidate_percent = NULL, candidate_deployment = NULL, revision = s.revision + 1, updated_at = now()
        WHERE s.id = candidate.script_id;
        told := jsonb_build_object('script_id', candidate.script_id, 'name', candidate.name, 'type', candidate.type, 'version', candidate.version_number,
            'live_version', candidate.live, 'percent', candidate.percent, 'runs', candidate.runs, 'failures', candidate.failures, 'reason', candidate.reason);
        INSERT INTO audit_log (id, tenant_id, actor_name, actor_role, action, object_type, object_id, after)
        VALUES (jsruntime_uuid_v7(), candidate.tenant_id, 'jsruntime', 'system', 'script.revert', 'script', candidate.script_id::text, told);
        PERFORM jsruntime_publish_built_in(candidate.tenant_id, 'jsruntime.rollout.reverted', told);
        PERFORM jsruntime_emit(candidate.tenant_id, 'rollout.reverted', (told - 'name' - 'type') || jsonb_build_object('script_name', candidate.name));
        tenant_id := candidate.tenant_id;
        script_id := candidate.script_id;
        version := candidate.version_number;
        reason := candidate.reason;
        RETURN NEXT;
    END LOOP;
    IF FOUND THEN
        PERFORM pg_notify('jsruntime_queue', '');
    END IF;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_revert_rollouts(uuid[]) FROM PUBLIC;

-- +goose Down
DROP FUNCTION jsruntime_revert_rollouts(uuid[]);
DROP TRIGGER tr_scripts_healthless ON scripts;
DROP TRIGGER tr_scripts_health ON scripts;
DROP FUNCTION jsruntime_health_anew();
DROP TRIGGER tr_quota_notices_tell ON tenant_quota_notices;
DROP TRIGGER tr_ticks_tell ON script_schedule_ticks;
DROP TRIGGER tr_dead_letters_tell ON script_event_dead_letters;
DROP TRIGGER tr_scripts_tell ON scripts;
DROP FUNCTION jsruntime_tell();
DROP FUNCTION jsruntime_open_breakers();
DROP FUNCTION jsruntime_recover_scripts(UUID, INTEGER);
DROP FUNCTION jsruntime_script_failures(UUID[], INTEGER[], BIGINT[], TEXT[]);
DROP FUNCTION jsruntime_completed_since(UUID, UUID, DATE);
DROP TABLE script_health;
DROP FUNCTION jsruntime_emit(UUID, TEXT, JSONB);
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
DROP TABLE tenant_storage;
DROP TABLE script_http_answers;
DROP TABLE script_signed_requests;
DROP TABLE script_refusals;
DROP TABLE script_usage_marks;
DROP TABLE tenant_quota_notices;
DROP TABLE tenant_usage_daily;
DROP TABLE script_usage_daily;
DROP TABLE audit_log;
DROP TABLE idempotency_keys;
DROP TABLE script_vars;
DROP TABLE script_secrets;
DROP TABLE script_kv;
