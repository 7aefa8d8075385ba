-- What the runtime keeps beside the data model: compiled versions, leases, the queue's order, the trace of cron ticks.
-- Everything here is added; no column of the data model changes.

-- +goose Up
ALTER TABLE tenants ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW();

-- version is the newest version_number; revision counts every change of the row and is the API's ETag.
ALTER TABLE scripts
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN revision BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN timezone VARCHAR(100) NOT NULL DEFAULT 'UTC',
    ADD COLUMN quarantined_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN quarantine_reason TEXT;

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

-- One row is one run, and the pending rows are the durable queue.
--   queued_at     when it was accepted            run_at       not before
--   lease_token   of the claim that runs it now; every later write must name it, so that a node that lost its lease changes nothing
--   attempt       1, 2, …; outcomes of the script spend one      lost_count   how often we lost the worker or node; spends none
--   depth         length of the chain of events and invocations that led here
ALTER TABLE script_executions
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    ADD COLUMN lost_count INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN error_code VARCHAR(50),
    ADD COLUMN error_stack TEXT,
    ADD COLUMN queued_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    ADD COLUMN run_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    ADD COLUMN handler VARCHAR(20) NOT NULL DEFAULT 'run' CHECK (handler IN ('fetch', 'scheduled', 'event', 'run')),
    ADD COLUMN depth INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN event_id VARCHAR(255),
    ADD COLUMN scheduled_for TIMESTAMP WITH TIME ZONE,
    ADD COLUMN dead_letter_id UUID,
    ADD COLUMN replay_of UUID,
    ADD COLUMN parent_id UUID,
    ADD COLUMN node_id UUID,
    ADD COLUMN lease_token UUID,
    ADD COLUMN lease_expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN cancel_requested BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT ck_executions_lease CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    ADD CONSTRAINT ck_executions_ended CHECK (status NOT IN ('completed', 'failed', 'timeout', 'cancelled') OR (completed_at IS NOT NULL AND lease_token IS NULL)),
    ADD CONSTRAINT ck_executions_pending CHECK (status <> 'pending' OR (completed_at IS NULL AND lease_token IS NULL));

-- The claim walks tenants by this index (loose scan), then each tenant's due rows in order.
CREATE INDEX idx_executions_pending ON script_executions(tenant_id, run_at, id) WHERE status = 'pending';
CREATE INDEX idx_executions_pending_script ON script_executions(script_id, run_at, id) WHERE status = 'pending';
CREATE INDEX idx_executions_running ON script_executions(lease_expires_at) WHERE status = 'running';
CREATE INDEX idx_executions_running_script ON script_executions(script_id) WHERE status = 'running';
CREATE INDEX idx_executions_tenant_queued ON script_executions(tenant_id, queued_at DESC, id DESC);
CREATE INDEX idx_executions_script_queued ON script_executions(script_id, queued_at DESC, id DESC);
CREATE INDEX idx_executions_event ON script_executions(tenant_id, event_id) WHERE event_id IS NOT NULL;

-- A tick starts at most once, whatever number of nodes try: see script_schedule_ticks. This is the second wall.
CREATE UNIQUE INDEX uq_executions_script_tick ON script_executions(script_id, scheduled_for) WHERE scheduled_for IS NOT NULL AND attempt = 1 AND lost_count = 0;

-- Hot table: rows are updated two or three times within seconds of their insert.
ALTER TABLE script_executions SET (
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.02
);

-- overlap: what happens to a tick that falls due while the last one still runs.
-- missed:  what happens to ticks that nobody could start in time, within missed_window_seconds.
ALTER TABLE script_scheduled_jobs
    ADD COLUMN overlap_policy VARCHAR(20) NOT NULL DEFAULT 'skip' CHECK (overlap_policy IN ('skip', 'queue_one', 'allow')),
    ADD COLUMN missed_policy VARCHAR(20) NOT NULL DEFAULT 'run_once' CHECK (missed_policy IN ('run_once', 'skip', 'run_all')),
    ADD COLUMN missed_window_seconds INTEGER NOT NULL DEFAULT 3600 CHECK (missed_window_seconds BETWEEN 0 AND 2592000),
    ADD COLUMN jitter_seconds INTEGER NOT NULL DEFAULT 0 CHECK (jitter_seconds BETWEEN 0 AND 3600),
    ADD COLUMN retry_lost BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN execution_id UUID,
    ADD COLUMN lease_token UUID,
    ADD COLUMN lease_expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN node_id UUID,
    ADD CONSTRAINT ck_scheduled_lease CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    ADD CONSTRAINT ck_scheduled_armed CHECK (is_active OR next_run_at IS NULL);

CREATE INDEX idx_scheduled_due ON script_scheduled_jobs(next_run_at, tenant_id) WHERE is_active AND next_run_at IS NOT NULL;
CREATE INDEX idx_scheduled_tenant ON script_scheduled_jobs(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_scheduled_running ON script_scheduled_jobs(lease_expires_at) WHERE is_running;

ALTER TABLE script_http_endpoints ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW();

CREATE INDEX idx_dead_letters_tenant ON script_event_dead_letters(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_dead_letters_script ON script_event_dead_letters(script_id);
CREATE INDEX idx_dead_letters_execution ON script_event_dead_letters(execution_id) WHERE execution_id IS NOT NULL;
-- event_id and error_code say which event failed and how; retrying marks a redrive under way.
ALTER TABLE script_event_dead_letters
    ADD COLUMN event_id VARCHAR(255),
    ADD COLUMN error_code VARCHAR(50),
    ADD COLUMN retry_execution_id UUID;

-- +goose Down
ALTER TABLE script_event_dead_letters DROP COLUMN event_id, DROP COLUMN error_code, DROP COLUMN retry_execution_id;
DROP INDEX idx_dead_letters_execution, idx_dead_letters_script, idx_dead_letters_tenant;
ALTER TABLE script_http_endpoints DROP COLUMN updated_at;
DROP INDEX idx_scheduled_running, idx_scheduled_tenant, idx_scheduled_due;
ALTER TABLE script_scheduled_jobs
    DROP COLUMN overlap_policy, DROP COLUMN missed_policy, DROP COLUMN missed_window_seconds, DROP COLUMN jitter_seconds,
    DROP COLUMN retry_lost, DROP COLUMN is_active, DROP COLUMN execution_id, DROP COLUMN lease_token,
    DROP COLUMN lease_expires_at, DROP COLUMN node_id;
ALTER TABLE script_executions RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay, autovacuum_analyze_scale_factor
);
DROP INDEX uq_executions_script_tick, idx_executions_event, idx_executions_script_queued, idx_executions_tenant_queued,
    idx_executions_running_script, idx_executions_running, idx_executions_pending_script, idx_executions_pending;
ALTER TABLE script_executions
    DROP COLUMN version, DROP COLUMN attempt, DROP COLUMN lost_count, DROP COLUMN error_code, DROP COLUMN error_stack,
    DROP COLUMN queued_at, DROP COLUMN run_at, DROP COLUMN handler, DROP COLUMN depth, DROP COLUMN event_id,
    DROP COLUMN scheduled_for, DROP COLUMN dead_letter_id, DROP COLUMN replay_of, DROP COLUMN parent_id, DROP COLUMN node_id,
    DROP COLUMN lease_token, DROP COLUMN lease_expires_at, DROP COLUMN cancel_requested;
ALTER TABLE script_versions DROP COLUMN compiled, DROP COLUMN source_map, DROP COLUMN source_sha256, DROP COLUMN handlers;
DROP INDEX idx_scripts_created_by, idx_scripts_organization, idx_scripts_tags, idx_scripts_tenant_created;
ALTER TABLE scripts DROP COLUMN version, DROP COLUMN revision, DROP COLUMN timezone, DROP COLUMN quarantined_until, DROP COLUMN quarantine_reason;
ALTER TABLE tenants DROP COLUMN updated_at;
