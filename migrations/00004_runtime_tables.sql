-- Tables of the runtime's own: nodes, ticks, logs, events, kv, secrets, idempotency, audit, usage.

-- +goose Up

-- A node is alive while heartbeat_at is recent; shares of limits are counted over the live ones.
CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    hostname VARCHAR(255) NOT NULL,
    version VARCHAR(100) NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    heartbeat_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    draining BOOLEAN NOT NULL DEFAULT false,
    load JSONB NOT NULL DEFAULT '{}'::jsonb
);
CREATE INDEX idx_nodes_heartbeat ON nodes(heartbeat_at);

-- One row a cron tick that was decided on: its primary key is what makes a tick start exactly once, and its outcome is the
-- trace that skipped and missed ticks leave. Kept when executions are pruned.
CREATE TABLE script_schedule_ticks (
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    scheduled_for TIMESTAMP WITH TIME ZONE NOT NULL,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    outcome VARCHAR(20) NOT NULL CHECK (outcome IN ('started', 'skipped_overlap', 'queued', 'missed', 'coalesced')),
    execution_id UUID,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (script_id, scheduled_for)
);
CREATE INDEX idx_schedule_ticks_decided ON script_schedule_ticks(decided_at);

CREATE TABLE script_execution_logs (
    execution_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    level VARCHAR(10) NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
    message TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (execution_id, seq)
);
CREATE INDEX idx_execution_logs_script ON script_execution_logs(script_id, at DESC);
CREATE INDEX idx_execution_logs_at ON script_execution_logs(at);

-- An event is kept for its idempotency (24 h) and as the source of its executions' input. Undelivered delayed events wait here.
CREATE TABLE script_events (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    id VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    data JSONB NOT NULL,
    depth INTEGER NOT NULL DEFAULT 0,
    executions INTEGER NOT NULL DEFAULT 0,
    published_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    deliver_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX idx_script_events_published ON script_events(published_at);

CREATE TABLE script_kv (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    key VARCHAR(512) COLLATE "C" NOT NULL,
    value JSONB NOT NULL,
    size_bytes INTEGER NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idx_script_kv_expires ON script_kv(expires_at) WHERE expires_at IS NOT NULL;

-- ciphertext is AES-256-GCM of the value with nonce; the additional data is tenant_id and name, so rows cannot be swapped.
CREATE TABLE script_secrets (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    name VARCHAR(128) NOT NULL CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    nonce BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (tenant_id, name)
);

-- scope is the tenant's id, or 'operator'. status_code is null while the first request still runs.
CREATE TABLE idempotency_keys (
    scope VARCHAR(64) NOT NULL,
    key VARCHAR(255) NOT NULL,
    route VARCHAR(255) NOT NULL,
    fingerprint BYTEA NOT NULL,
    status_code INTEGER,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (scope, key, route)
);
CREATE INDEX idx_idempotency_created ON idempotency_keys(created_at);

-- Append-only: who did what to which object, with the object before and after and no secrets in either.
CREATE TABLE audit_log (
    id UUID PRIMARY KEY,
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    actor_key_id UUID,
    actor_name VARCHAR(255) NOT NULL,
    actor_role VARCHAR(50) NOT NULL,
    action VARCHAR(100) NOT NULL,
    object_type VARCHAR(50) NOT NULL,
    object_id VARCHAR(255) NOT NULL,
    before JSONB,
    after JSONB,
    request_id VARCHAR(64),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);
CREATE INDEX idx_audit_log_tenant ON audit_log(tenant_id, created_at DESC, id DESC);

-- outcome is the execution's status, or its error_code when it has one. memory_byte_ms is peak bytes times milliseconds.
-- script_id has no foreign key: usage outlives the script it is billed for.
CREATE TABLE script_usage_daily (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
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
);

-- +goose Down
DROP TABLE script_usage_daily;
DROP TABLE audit_log;
DROP TABLE idempotency_keys;
DROP TABLE script_secrets;
DROP TABLE script_kv;
DROP TABLE script_events;
DROP TABLE script_execution_logs;
DROP TABLE script_schedule_ticks;
DROP TABLE nodes;
