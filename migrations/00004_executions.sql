-- Executions: one row is one run, and the pending rows are the durable queue. With their logs.

-- +goose Up

--   queued_at     when it was accepted            run_at       not before
--   lease_token   of the claim that runs it now; every later write must name it, so that a node that lost its lease changes nothing
--   attempt       1, 2, …; outcomes of the script spend one      lost_count   how often we lost the worker or node; spends none
--   depth         length of the chain of events and invocations that led here
--   traceparent   the trace (W3C) of the request that put it into the queue; NULL: none, or one that is not kept. Synchronous executions have
--                 none: their trace has them already
--   attended      a caller waits for it (HTTP, invoke, a run by hand with wait). Such an execution is written down once it has run for a
--                 second, and again when it has ended: its node renews the lease, and no node runs it again when that node is lost
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
    ADD COLUMN traceparent VARCHAR(55),
    ADD COLUMN attended BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT ck_executions_lease CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    ADD CONSTRAINT ck_executions_ended CHECK (status NOT IN ('completed', 'failed', 'timeout', 'cancelled') OR (completed_at IS NOT NULL AND lease_token IS NULL)),
    ADD CONSTRAINT ck_executions_pending CHECK (status <> 'pending' OR lease_token IS NULL);

-- The queue. A node walks the distinct (tenant, script) pairs by a loose scan and claims each script's rows in order, from a lower
-- bound that it remembers: a plain walk from the index's start falls to an eighth of its rate within a minute while another session
-- holds a transaction open, since the entries of claimed rows cannot be removed.
CREATE INDEX idx_executions_queue ON script_executions(tenant_id, script_id, run_at, id) WHERE status = 'pending';
CREATE INDEX idx_executions_running ON script_executions(lease_expires_at) WHERE status = 'running';
CREATE INDEX idx_executions_tenant_queued ON script_executions(tenant_id, queued_at DESC, id DESC);
CREATE INDEX idx_executions_script_queued ON script_executions(script_id, queued_at DESC, id DESC);
CREATE INDEX idx_executions_event ON script_executions(tenant_id, event_id) WHERE event_id IS NOT NULL;

-- Endings that people look for are rare among completed rows: small partial indexes keep the lists of them fast without
-- costing anything where an execution completes.
CREATE INDEX idx_executions_tenant_ended_badly ON script_executions(tenant_id, status, queued_at DESC, id DESC)
    WHERE status IN ('failed', 'timeout', 'cancelled');
-- Executions that completed have no error_code.
CREATE INDEX idx_executions_tenant_error ON script_executions(tenant_id, error_code, queued_at DESC, id DESC) WHERE error_code IS NOT NULL;

-- A tick starts at most once, whatever number of nodes try: see script_schedule_ticks. This is the second wall.
CREATE UNIQUE INDEX uq_executions_script_tick ON script_executions(script_id, scheduled_for) WHERE scheduled_for IS NOT NULL AND attempt = 1 AND lost_count = 0;

-- Hot table: rows are updated two or three times within seconds of their insert.
ALTER TABLE script_executions SET (
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 10000
);

-- ANALYZE samples 300 rows for each unit of its finest column's statistics, and sorts every column's values. No query asks anything of
-- the JSON and texts that a planner could use them for; under load they were a third of what Postgres did (2 cores, 14,000 HTTP
-- executions a second). Of the other columns thirty common tenants, scripts and statuses and thirty steps of time are enough to tell a
-- large tenant from a small one: 9,000 rows instead of 30,000 cost the history, which grows without end, a third.
ALTER TABLE script_executions
    ALTER COLUMN trigger_data SET STATISTICS 0, ALTER COLUMN input SET STATISTICS 0, ALTER COLUMN output SET STATISTICS 0,
    ALTER COLUMN metrics SET STATISTICS 0, ALTER COLUMN error SET STATISTICS 0, ALTER COLUMN error_stack SET STATISTICS 0,
    ALTER COLUMN traceparent SET STATISTICS 0;
ALTER TABLE script_executions
    ALTER COLUMN id SET STATISTICS 30, ALTER COLUMN script_id SET STATISTICS 30, ALTER COLUMN tenant_id SET STATISTICS 30,
    ALTER COLUMN status SET STATISTICS 30, ALTER COLUMN trigger_type SET STATISTICS 30, ALTER COLUMN started_at SET STATISTICS 30,
    ALTER COLUMN completed_at SET STATISTICS 30, ALTER COLUMN version SET STATISTICS 30, ALTER COLUMN attempt SET STATISTICS 30,
    ALTER COLUMN lost_count SET STATISTICS 30, ALTER COLUMN error_code SET STATISTICS 30, ALTER COLUMN queued_at SET STATISTICS 30,
    ALTER COLUMN run_at SET STATISTICS 30, ALTER COLUMN handler SET STATISTICS 30, ALTER COLUMN depth SET STATISTICS 30,
    ALTER COLUMN event_id SET STATISTICS 30, ALTER COLUMN scheduled_for SET STATISTICS 30,
    ALTER COLUMN dead_letter_id SET STATISTICS 30, ALTER COLUMN replay_of SET STATISTICS 30, ALTER COLUMN parent_id SET STATISTICS 30,
    ALTER COLUMN node_id SET STATISTICS 30, ALTER COLUMN lease_token SET STATISTICS 30,
    ALTER COLUMN lease_expires_at SET STATISTICS 30, ALTER COLUMN cancel_requested SET STATISTICS 30;

-- An execution that has ended has an end, also where a row is written by SQL. The condition keeps the function out of the way of rows
-- that name it.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_execution_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.completed_at := GREATEST(now(), NEW.started_at);
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_executions_ended BEFORE INSERT OR UPDATE OF status ON script_executions
    FOR EACH ROW WHEN (NEW.status IN ('completed', 'failed', 'timeout', 'cancelled') AND NEW.completed_at IS NULL)
    EXECUTE FUNCTION jsruntime_execution_ended();

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

-- What a row of the history takes: its values as they are stored, and 400 bytes for the rest and its share of the indexes.
CREATE FUNCTION jsruntime_execution_bytes(e script_executions) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT 400 + COALESCE(pg_column_size(e.input), 0) + COALESCE(pg_column_size(e.output), 0) + COALESCE(pg_column_size(e.trigger_data), 0)
        + COALESCE(pg_column_size(e.error), 0) + COALESCE(pg_column_size(e.error_stack), 0)
$$;

-- Locks scripts and tenants as a foreign key's check does, and fails as it does where one is gone: for a batch of rows, whose own checks are
-- then left out (queries/ledger.sql). Ids are given once each.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_hold_parents(script_ids uuid[], tenant_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found_rows integer;
BEGIN
    PERFORM FROM scripts s WHERE s.id = ANY(script_ids) ORDER BY s.id FOR KEY SHARE;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    IF found_rows <> cardinality(script_ids) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a script of the batch is gone', TABLE = 'script_executions';
    END IF;
    PERFORM FROM tenants t WHERE t.id = ANY(tenant_ids) ORDER BY t.id FOR KEY SHARE;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    IF found_rows <> cardinality(tenant_ids) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a tenant of the batch is gone', TABLE = 'script_executions';
    END IF;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_hold_parents(uuid[], uuid[]) FROM PUBLIC;

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

-- event_id and error_code say which event failed and how; retry_execution_id marks a redrive under way.
ALTER TABLE script_event_dead_letters
    ADD COLUMN event_id VARCHAR(255),
    ADD COLUMN error_code VARCHAR(50),
    ADD COLUMN retry_execution_id UUID;
CREATE INDEX idx_dead_letters_tenant ON script_event_dead_letters(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_dead_letters_script ON script_event_dead_letters(script_id);
CREATE INDEX idx_dead_letters_execution ON script_event_dead_letters(execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX idx_dead_letters_created ON script_event_dead_letters(created_at);

-- +goose Down
DROP INDEX idx_dead_letters_created, idx_dead_letters_execution, idx_dead_letters_script, idx_dead_letters_tenant;
ALTER TABLE script_event_dead_letters DROP COLUMN event_id, DROP COLUMN error_code, DROP COLUMN retry_execution_id;
DROP TABLE script_execution_logs;
DROP FUNCTION jsruntime_hold_parents(uuid[], uuid[]);
DROP FUNCTION jsruntime_execution_bytes(script_executions);
DROP TRIGGER tr_executions_cancel ON script_executions;
DROP FUNCTION jsruntime_notify_cancel();
DROP TRIGGER tr_executions_ended ON script_executions;
DROP FUNCTION jsruntime_execution_ended();
ALTER TABLE script_executions
    ALTER COLUMN trigger_data SET STATISTICS -1, ALTER COLUMN input SET STATISTICS -1, ALTER COLUMN output SET STATISTICS -1,
    ALTER COLUMN metrics SET STATISTICS -1, ALTER COLUMN error SET STATISTICS -1, ALTER COLUMN id SET STATISTICS -1,
    ALTER COLUMN script_id SET STATISTICS -1, ALTER COLUMN tenant_id SET STATISTICS -1, ALTER COLUMN status SET STATISTICS -1,
    ALTER COLUMN trigger_type SET STATISTICS -1, ALTER COLUMN started_at SET STATISTICS -1, ALTER COLUMN completed_at SET STATISTICS -1;
ALTER TABLE script_executions RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold
);
DROP INDEX uq_executions_script_tick, idx_executions_tenant_error, idx_executions_tenant_ended_badly, idx_executions_event, idx_executions_script_queued,
    idx_executions_tenant_queued, idx_executions_running, idx_executions_queue;
ALTER TABLE script_executions
    DROP COLUMN version, DROP COLUMN attempt, DROP COLUMN lost_count, DROP COLUMN error_code, DROP COLUMN error_stack,
    DROP COLUMN queued_at, DROP COLUMN run_at, DROP COLUMN handler, DROP COLUMN depth, DROP COLUMN event_id,
    DROP COLUMN scheduled_for, DROP COLUMN dead_letter_id, DROP COLUMN replay_of, DROP COLUMN parent_id, DROP COLUMN node_id,
    DROP COLUMN lease_token, DROP COLUMN lease_expires_at, DROP COLUMN cancel_requested, DROP COLUMN traceparent, DROP COLUMN attended;
