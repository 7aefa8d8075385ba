-- Schedules, and the trace of their ticks.

-- +goose Up

-- overlap: what happens to a tick that falls due while the last one still runs.
-- missed:  what happens to ticks that no node could start in time, within missed_window_seconds.
-- last_started_at, last_finished_at: when the last execution of a tick began and ended, by the database's clock. Ticks in between fell due
-- while it ran.
ALTER TABLE script_scheduled_jobs
    ADD COLUMN overlap_policy VARCHAR(20) NOT NULL DEFAULT 'skip' CHECK (overlap_policy IN ('skip', 'queue_one', 'allow')),
    ADD COLUMN missed_policy VARCHAR(20) NOT NULL DEFAULT 'run_once' CHECK (missed_policy IN ('run_once', 'skip', 'run_all')),
    ADD COLUMN missed_window_seconds INTEGER NOT NULL DEFAULT 3600 CHECK (missed_window_seconds BETWEEN 0 AND 2592000),
    ADD COLUMN jitter_seconds INTEGER NOT NULL DEFAULT 0 CHECK (jitter_seconds BETWEEN 0 AND 3600),
    ADD COLUMN retry_lost BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT true,
    ADD COLUMN execution_id UUID,
    ADD COLUMN lease_token UUID,
    ADD COLUMN lease_expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN node_id UUID,
    ADD COLUMN last_started_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN last_finished_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT ck_scheduled_lease CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    ADD CONSTRAINT ck_scheduled_armed CHECK (is_active OR next_run_at IS NULL);

CREATE INDEX idx_scheduled_due ON script_scheduled_jobs(next_run_at, tenant_id) WHERE is_active AND next_run_at IS NOT NULL;
CREATE INDEX idx_scheduled_tenant ON script_scheduled_jobs(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_scheduled_running ON script_scheduled_jobs(lease_expires_at) WHERE is_running;
-- Schedules that are active and have no next tick: the reconciler's work list.
CREATE INDEX idx_scheduled_unarmed ON script_scheduled_jobs(id) WHERE is_active AND next_run_at IS NULL;

-- One row a cron tick that was decided on: its primary key is what makes a tick start exactly once, and its outcome is the
-- trace that skipped and missed ticks leave. Kept when executions are pruned. It goes with its script, and so before its tenant: a second foreign
-- key would lock the tenant's row for each tick.
CREATE TABLE script_schedule_ticks (
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    scheduled_for TIMESTAMP WITH TIME ZONE NOT NULL,
    tenant_id UUID NOT NULL,
    outcome VARCHAR(20) NOT NULL CHECK (outcome IN ('started', 'skipped_overlap', 'skipped_quota', 'queued', 'missed', 'coalesced')),
    execution_id UUID,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (script_id, scheduled_for)
);
CREATE INDEX idx_schedule_ticks_decided ON script_schedule_ticks(decided_at);

-- A statement that changes an expression, a zone or is_active need not compute ticks: the old next tick is void, and a node computes the
-- new one at once. Writing next_run_at in the same statement is respected.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_schedule_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.is_active THEN
        NEW.next_run_at := NULL;
    ELSIF NEW.next_run_at IS NOT DISTINCT FROM OLD.next_run_at
        AND (NEW.cron_expression, NEW.timezone, NEW.is_active) IS DISTINCT FROM (OLD.cron_expression, OLD.timezone, OLD.is_active) THEN
        NEW.next_run_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_jobs_rearm BEFORE UPDATE OF cron_expression, timezone, is_active ON script_scheduled_jobs
    FOR EACH ROW EXECUTE FUNCTION jsruntime_schedule_changed();

-- A schedule whose is_active is not named follows its script, and keeps its next_run_at where that is active.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_schedule_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.is_active := NEW.is_active AND COALESCE((SELECT s.status = 'active' FROM scripts s WHERE s.id = NEW.script_id), false);
    IF NOT NEW.is_active THEN
        NEW.next_run_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_jobs_inserted BEFORE INSERT ON script_scheduled_jobs
    FOR EACH ROW EXECUTE FUNCTION jsruntime_schedule_inserted();

-- A script's schedule is active exactly while the script is, also where its status is changed by SQL.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_script_status_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE script_scheduled_jobs SET is_active = (NEW.status = 'active')
    WHERE script_id = NEW.id AND is_active <> (NEW.status = 'active');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_status AFTER UPDATE OF status ON scripts
    FOR EACH ROW WHEN ((NEW.status = 'active') <> (OLD.status = 'active')) EXECUTE FUNCTION jsruntime_script_status_changed();

-- +goose Down
DROP TRIGGER tr_scripts_status ON scripts;
DROP FUNCTION jsruntime_script_status_changed();
DROP TRIGGER tr_jobs_inserted ON script_scheduled_jobs;
DROP FUNCTION jsruntime_schedule_inserted();
DROP TRIGGER tr_jobs_rearm ON script_scheduled_jobs;
DROP FUNCTION jsruntime_schedule_changed();
DROP TABLE script_schedule_ticks;
DROP INDEX idx_scheduled_unarmed, idx_scheduled_running, idx_scheduled_tenant, idx_scheduled_due;
ALTER TABLE script_scheduled_jobs
    DROP COLUMN overlap_policy, DROP COLUMN missed_policy, DROP COLUMN missed_window_seconds, DROP COLUMN jitter_seconds,
    DROP COLUMN retry_lost, DROP COLUMN is_active, DROP COLUMN execution_id, DROP COLUMN lease_token,
    DROP COLUMN lease_expires_at, DROP COLUMN node_id, DROP COLUMN last_started_at, DROP COLUMN last_finished_at;
