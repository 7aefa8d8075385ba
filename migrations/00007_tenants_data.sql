-- What a tenant has beside its scripts: kv, secrets, idempotency keys, audit log, usage, refusals, and the count of what it stores.

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
CREATE INDEX idx_audit_log_created ON audit_log(created_at DESC, id DESC);

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

-- Takes deployments back that have failed too often: their versions get no further executions, the audit log has a row, and subscribers of the
-- built-in event hear of it. Locks scripts and then their deployments, as activation does; what another caller has taken back is left out.
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
DROP TABLE tenant_storage;
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
