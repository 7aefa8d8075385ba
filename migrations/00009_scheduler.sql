-- What the scheduler needs beside 00003: one index that is the queue, and schedules that re-arm themselves.

-- +goose Up

-- The queue. A node walks the distinct (tenant, script) pairs by a loose scan and claims each script's rows in order, from a lower
-- bound that it remembers: a plain walk from the index's start falls to an eighth of its rate within a minute while somebody
-- holds a transaction open, since the entries of claimed rows cannot be removed. It replaces two indexes, whose upkeep every
-- insert paid for.
DROP INDEX idx_executions_pending, idx_executions_pending_script, idx_executions_running_script;
CREATE INDEX idx_executions_queue ON script_executions(tenant_id, script_id, run_at, id) WHERE status = 'pending';

-- When the last execution of a tick began and ended, by the database's clock: ticks in between fell due while it ran.
ALTER TABLE script_scheduled_jobs ADD COLUMN last_started_at TIMESTAMP WITH TIME ZONE, ADD COLUMN last_finished_at TIMESTAMP WITH TIME ZONE;

-- Schedules that are active and have no next tick: the reconciler's work list.
CREATE INDEX idx_scheduled_unarmed ON script_scheduled_jobs(id) WHERE is_active AND next_run_at IS NULL;

-- Whoever changes an expression, a zone or is_active need not compute ticks: the old next tick is void, and a node computes the
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

-- A request to end a running execution reaches its node by this; nodes also look every second.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_notify_cancel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('jsruntime_cancel', NEW.id::text);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_executions_cancel AFTER UPDATE OF cancel_requested ON script_executions
    FOR EACH ROW WHEN (NEW.cancel_requested AND NEW.status = 'running') EXECUTE FUNCTION jsruntime_notify_cancel();

-- +goose Down
DROP TRIGGER tr_executions_cancel ON script_executions;
DROP FUNCTION jsruntime_notify_cancel();
DROP TRIGGER tr_jobs_rearm ON script_scheduled_jobs;
DROP FUNCTION jsruntime_schedule_changed();
DROP INDEX idx_scheduled_unarmed;
ALTER TABLE script_scheduled_jobs DROP COLUMN last_started_at, DROP COLUMN last_finished_at;
DROP INDEX idx_executions_queue;
CREATE INDEX idx_executions_pending ON script_executions(tenant_id, run_at, id) WHERE status = 'pending';
CREATE INDEX idx_executions_pending_script ON script_executions(script_id, run_at, id) WHERE status = 'pending';
CREATE INDEX idx_executions_running_script ON script_executions(script_id) WHERE status = 'running';
