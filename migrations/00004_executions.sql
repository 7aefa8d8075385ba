-- Executions: one row is one run. Executions that wait or run have a row in the queue too, a table of its own. With their logs and host calls.

-- +goose Up

--   queued_at     when it was accepted            run_at       not before
--   attempt       1, 2, …; outcomes of the script spend one      lost_count   how often we lost the worker or node; spends none
--   depth         length of the chain of events and invocations that led here
--   traceparent   the trace (W3C) of the request that put it into the queue; NULL: none, or one that is not kept. Synchronous executions have
--                 none: their trace has them already
--   attended      a caller waits for it (HTTP, invoke, a run by hand with wait). Such an execution is written down once it has run for a
--                 second, and again when it has ended: its node renews the lease, and no node runs it again when that node is lost
--   http_status   of the answer to a request: what its client got, or what the script gave where nobody waited for it; NULL: there was none
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
    ADD COLUMN traceparent VARCHAR(55),
    ADD COLUMN attended BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN http_status SMALLINT,
    ADD CONSTRAINT ck_executions_ended CHECK (status NOT IN ('completed', 'failed', 'timeout', 'cancelled') OR completed_at IS NOT NULL);

-- Lists go by id, newest first: ids of version 7 begin with the time of acceptance, so that a list without a range of times reads the newest
-- partitions and stops. Every index costs each row of a kind: there is one for each way that the API lists executions, and what is rare among
-- the rows has a partial one. Synchronous runs that completed have entries in the first two only. The indexes are read backwards: where ids
-- grow at the end of each tenant's part, pages are filled; with descending ids they were split in halves, and twice as large.
CREATE INDEX idx_executions_tenant_newest ON script_executions(tenant_id, id);
CREATE INDEX idx_executions_script_newest ON script_executions(script_id, id);
CREATE INDEX idx_executions_tenant_trigger ON script_executions(tenant_id, trigger_type, id) WHERE trigger_type IN ('cron', 'event', 'manual');
CREATE INDEX idx_executions_tenant_incomplete ON script_executions(tenant_id, status, id) WHERE status <> 'completed';
CREATE INDEX idx_executions_tenant_error ON script_executions(tenant_id, error_code, id) WHERE error_code IS NOT NULL;
CREATE INDEX idx_executions_event ON script_executions(tenant_id, event_id, id) WHERE event_id IS NOT NULL;
-- Of answers that say that something went wrong, one index a class, in the order of ids: of one status, the others of its class are left out on the
-- way. (An index by the class itself, an expression, serves no tenant: behind row-level security only functions that are leakproof use one.)
CREATE INDEX idx_executions_tenant_4xx ON script_executions(tenant_id, id) WHERE http_status >= 400 AND http_status <= 499;
CREATE INDEX idx_executions_tenant_5xx ON script_executions(tenant_id, id) WHERE http_status >= 500 AND http_status <= 599;

-- Partitions. Executions are partitioned by the range of their id, and so are their logs and calls: a day of history is one table, which retention
-- drops as a whole. Ids of version 7 hold the milliseconds of their making, so a range of ids is a range of times. Nodes make the partitions
-- ahead (package migrations/partitions); rows for which there is none, and those whose ids are of another kind, are in the default partition.

-- The lowest UUID of version 7 of a millisecond, and the time that the first 48 bits of a UUID say.
CREATE FUNCTION jsruntime_id_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(LEAST(GREATEST(floor(extract(epoch FROM at) * 1000), 0), 281474976710655)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
CREATE FUNCTION jsruntime_id_time(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(('x0000' || substr(replace(id::text, '-', ''), 1, 12))::bit(64)::bigint / 1000.0)
$$;

-- How a partition is stored. Rows of the history are written once or twice and then read: pages are filled, since the indexed status keeps
-- every update out of a page's free room anyway.
--
-- ANALYZE samples 300 rows for each unit of its finest column's statistics, and sorts every column's values. No query asks anything of
-- the JSON and texts that a planner could use them for; under load they were a third of what Postgres did (2 cores, 14,000 HTTP
-- executions a second). Of the other columns thirty common tenants, scripts and statuses and thirty steps of time are enough to tell a
-- large tenant from a small one: 9,000 rows instead of 30,000 cost the history, which grows without end, a third.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_tune_partition(part regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, '
        'autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 10000)', part);
    EXECUTE (
        SELECT format('ALTER TABLE %s ', part) || string_agg(format('ALTER COLUMN %I SET STATISTICS %s', a.attname,
            CASE WHEN a.atttypid IN ('jsonb'::regtype, 'text'::regtype) OR a.attname = 'traceparent' THEN 0 ELSE 30 END), ', ')
        FROM pg_attribute a WHERE a.attrelid = part AND a.attnum > 0 AND NOT a.attisdropped
    );
END
$$;
-- +goose StatementEnd

-- Makes the partition of a table for a range of times. The table of the partition is made first and then attached: that locks the parent
-- against other changes of its shape only. The default partition is locked and read for it, so its callers set lock_timeout.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_make_partition(parent text, since timestamptz, until timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || to_char(since AT TIME ZONE 'UTC', 'YYYYMMDDHH24');
    policy record;
    granted record;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION)', part, parent);
    PERFORM jsruntime_tune_partition(part::regclass);
    -- Who reads a partition by its own name sees no more than by its parent's.
    IF (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = parent::regclass) THEN
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    END IF;
    FOR policy IN SELECT p.policyname, p.roles, p.qual, p.with_check FROM pg_policies p WHERE p.schemaname = current_schema() AND p.tablename = parent LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO %s USING (%s) WITH CHECK (%s)', policy.policyname, part,
            (SELECT string_agg(quote_ident(r), ', ') FROM unnest(policy.roles) r), policy.qual, policy.with_check);
    END LOOP;
    FOR granted IN
        SELECT r.rolname, string_agg(g.privilege_type, ', ') AS privileges
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee
        WHERE c.oid = parent::regclass AND g.grantee <> c.relowner GROUP BY r.rolname
    LOOP
        EXECUTE format('GRANT %s ON %I TO %I', granted.privileges, part, granted.rolname);
    END LOOP;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, jsruntime_id_floor(since), jsruntime_id_floor(until));
    RETURN part;
END
$$;
-- +goose StatementEnd

-- The partitions of a table with their ranges; both are NULL for the default partition.
CREATE FUNCTION jsruntime_partitions(parent text, OUT part text, OUT since timestamptz, OUT until timestamptz, OUT rows bigint, OUT bytes bigint)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, jsruntime_id_time(b.bounds[1]::uuid), jsruntime_id_time(b.bounds[2]::uuid),
        GREATEST(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0), pg_total_relation_size(c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([-0-9a-f]+)''\) TO \(''([-0-9a-f]+)''\)') AS bounds) b
    WHERE i.inhparent = parent::regclass
    ORDER BY 2 NULLS FIRST
$$;

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

-- The queue: executions that wait or run, and when each is due. Claims, leases, requests to cancel and the bound of a tenant's queue are decided here,
-- in a table that holds no row of what has ended: its cost does not grow with the history. The row of script_executions, which has the
-- same id, has the input. It is written when the execution is accepted, when it ends, and when it has run for a second, which is when its
-- status says running: until then it says pending.
--
--   run_at        not before                      started_at   of the claim that runs it now
--   lease_token   of that claim; every later write must name it, so that a node that lost its lease changes nothing. NULL: it waits
--   trigger_type, version: the execution's, so that pauses and retention need no other row      attended: see script_executions
--
-- There are no foreign keys: each costs every insert a check, and the triggers below keep the rows in step with the history, also
-- where that is written by SQL. A transaction that locks both rows of an execution locks this one first.
CREATE TABLE script_execution_queue (
    id UUID PRIMARY KEY,
    tenant_id UUID NOT NULL,
    script_id UUID NOT NULL,
    run_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    node_id UUID,
    lease_token UUID,
    version INTEGER NOT NULL,
    attended BOOLEAN NOT NULL DEFAULT false,
    cancel_requested BOOLEAN NOT NULL DEFAULT false,
    trigger_type VARCHAR(50) NOT NULL,
    CONSTRAINT ck_execution_queue_lease CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- A node walks the distinct (tenant, script) pairs by a loose scan and claims each script's rows in order, from a lower bound that it
-- remembers: a plain walk from the index's start falls to an eighth of its rate within a minute while another session holds a transaction
-- open, since the entries of claimed rows cannot be removed.
CREATE INDEX idx_execution_queue_due ON script_execution_queue(tenant_id, script_id, run_at, id) WHERE lease_token IS NULL;
CREATE INDEX idx_execution_queue_leased ON script_execution_queue(lease_expires_at) WHERE lease_token IS NOT NULL;

-- An execution that is written as pending is queued, whatever writes it. Statements that write both rows themselves say so by
-- jsruntime.queue: that is cheaper than the trigger (bench/doc.go).
-- +goose StatementBegin
CREATE FUNCTION jsruntime_execution_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, version, trigger_type)
    VALUES (NEW.id, NEW.tenant_id, NEW.script_id, NEW.run_at, NEW.version, NEW.trigger_type)
    ON CONFLICT (id) DO UPDATE SET run_at = EXCLUDED.run_at WHERE script_execution_queue.lease_token IS NULL;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_executions_queued AFTER INSERT ON script_executions
    FOR EACH ROW WHEN (NEW.status = 'pending' AND current_setting('jsruntime.queue', true) IS DISTINCT FROM 'kept')
    EXECUTE FUNCTION jsruntime_execution_queued();

-- Nodes change the queue before the history, and say so too. Where other SQL changes the history, the queue follows.
CREATE TRIGGER tr_executions_requeued AFTER UPDATE OF status, run_at ON script_executions
    FOR EACH ROW WHEN (NEW.status = 'pending' AND (OLD.status <> 'pending' OR NEW.run_at <> OLD.run_at)
        AND current_setting('jsruntime.queue', true) IS DISTINCT FROM 'kept')
    EXECUTE FUNCTION jsruntime_execution_queued();
-- +goose StatementBegin
CREATE FUNCTION jsruntime_execution_unqueued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM script_execution_queue q WHERE q.id = OLD.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_executions_unqueued AFTER UPDATE OF status ON script_executions
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'running') AND OLD.status IN ('pending', 'running')
        AND current_setting('jsruntime.queue', true) IS DISTINCT FROM 'kept')
    EXECUTE FUNCTION jsruntime_execution_unqueued();
CREATE TRIGGER tr_executions_deleted AFTER DELETE ON script_executions
    FOR EACH ROW WHEN (OLD.status IN ('pending', 'running')) EXECUTE FUNCTION jsruntime_execution_unqueued();

-- A script that is deleted takes its executions with it: first out of the queue, in the order of their ids as every other lock, so that
-- its deletion and a batch of endings never wait for each other in a circle.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_script_unqueued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM script_execution_queue q WHERE q.tenant_id = OLD.tenant_id AND q.script_id = OLD.id ORDER BY q.id FOR UPDATE;
    DELETE FROM script_execution_queue q WHERE q.tenant_id = OLD.tenant_id AND q.script_id = OLD.id;
    RETURN OLD;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_unqueued BEFORE DELETE ON scripts FOR EACH ROW EXECUTE FUNCTION jsruntime_script_unqueued();

-- A request to end a running execution reaches its node by this; nodes also look every second.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_notify_cancel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('jsruntime_cancel', NEW.id::text);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_execution_queue_cancel AFTER UPDATE OF cancel_requested ON script_execution_queue
    FOR EACH ROW WHEN (NEW.cancel_requested AND NEW.lease_token IS NOT NULL) EXECUTE FUNCTION jsruntime_notify_cancel();

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
) PARTITION BY RANGE (execution_id);
CREATE INDEX idx_execution_logs_script ON script_execution_logs(script_id, at DESC);

-- The host calls of executions. They are kept as long as logs.
--   operation     a fetch's method; get, put, publish, invoke, …      target   a URL, a key, an event's type, a script's name; without credentials
--   status        of a fetch's answer; NULL: there was none
--   bodies        what a fetch sent and got, where the script's history keeps that: {"request"?, "response": {…}} (package record)
CREATE TABLE script_execution_calls (
    execution_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    kind VARCHAR(10) NOT NULL CHECK (kind IN ('fetch', 'kv', 'events', 'scripts', 'step')),
    operation VARCHAR(64) NOT NULL,
    target TEXT NOT NULL,
    status INTEGER,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    duration_us BIGINT NOT NULL,
    request_bytes BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    error TEXT,
    error_code VARCHAR(64),
    bodies JSONB,
    PRIMARY KEY (execution_id, seq)
) PARTITION BY RANGE (execution_id);
CREATE INDEX idx_execution_calls_script ON script_execution_calls(script_id, started_at DESC);

-- What a call takes: its values, and 150 bytes for the rest and its share of the indexes.
CREATE FUNCTION jsruntime_call_bytes(c script_execution_calls) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT 150 + octet_length(c.target) + COALESCE(octet_length(c.error), 0) + COALESCE(pg_column_size(c.bodies), 0)
$$;

CREATE TABLE script_executions_default PARTITION OF script_executions DEFAULT;
CREATE TABLE script_execution_logs_default PARTITION OF script_execution_logs DEFAULT;
CREATE TABLE script_execution_calls_default PARTITION OF script_execution_calls DEFAULT;

-- Ids of version 7 begin with 0170 to 01ff from February 2020 to September 2039. Executions whose ids are of another kind (gen_random_uuid()
-- of an application's own INSERT) are listed by the time of their acceptance.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE INDEX idx_executions_other_ids ON script_executions_default(tenant_id, queued_at DESC, id DESC)
        WHERE id < '01700000-0000-0000-0000-000000000000' OR id >= '02000000-0000-0000-0000-000000000000';
    PERFORM jsruntime_tune_partition('script_executions_default');
    PERFORM jsruntime_tune_partition('script_execution_logs_default');
    PERFORM jsruntime_tune_partition('script_execution_calls_default');
END
$$;
-- +goose StatementEnd

-- Comparisons: a version ran on the inputs of the last executions, with its effects kept inside. The node that accepted one runs it and renews the
-- lease; where that expires, the comparison has failed. A tenant has one at a time.
--   options   {"last", "status"?, "trigger_type"?, "fetch"}      items   one for each input, there at the end
--   costs     {"recorded": {"duration_ms", "cpu_ms"}, "candidate": {…}}
CREATE TABLE script_comparisons (
    id UUID PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    version_number INTEGER NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    error TEXT,
    options JSONB NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    same INTEGER NOT NULL DEFAULT 0,
    different INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    costs JSONB NOT NULL DEFAULT '{}'::jsonb,
    items JSONB NOT NULL DEFAULT '[]'::jsonb,
    node_id UUID NOT NULL,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT ck_comparisons_lease CHECK ((status IN ('pending', 'running')) = (lease_expires_at IS NOT NULL))
);
CREATE UNIQUE INDEX uq_comparisons_one ON script_comparisons(tenant_id) WHERE status IN ('pending', 'running');
CREATE INDEX idx_comparisons_tenant ON script_comparisons(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_comparisons_script ON script_comparisons(script_id);

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
DROP TABLE script_comparisons;
DROP FUNCTION jsruntime_call_bytes(script_execution_calls);
DROP TABLE script_execution_calls;
DROP TABLE script_execution_logs;
DROP FUNCTION jsruntime_hold_parents(uuid[], uuid[]);
DROP FUNCTION jsruntime_execution_bytes(script_executions);
DROP TRIGGER tr_scripts_unqueued ON scripts;
DROP FUNCTION jsruntime_script_unqueued();
DROP TRIGGER tr_executions_deleted ON script_executions;
DROP TRIGGER tr_executions_unqueued ON script_executions;
DROP FUNCTION jsruntime_execution_unqueued();
DROP TRIGGER tr_executions_requeued ON script_executions;
DROP TRIGGER tr_executions_queued ON script_executions;
DROP FUNCTION jsruntime_execution_queued();
DROP TABLE script_execution_queue;
DROP FUNCTION jsruntime_notify_cancel();
DROP TRIGGER tr_executions_ended ON script_executions;
DROP FUNCTION jsruntime_execution_ended();
DROP FUNCTION jsruntime_partitions(text);
DROP FUNCTION jsruntime_make_partition(text, timestamptz, timestamptz);
DROP FUNCTION jsruntime_tune_partition(regclass);
DROP FUNCTION jsruntime_id_time(uuid);
DROP FUNCTION jsruntime_id_floor(timestamptz);
DROP INDEX idx_executions_other_ids;
DROP INDEX idx_executions_tenant_5xx, idx_executions_tenant_4xx, idx_executions_event, idx_executions_tenant_error, idx_executions_tenant_incomplete, idx_executions_tenant_trigger,
    idx_executions_script_newest, idx_executions_tenant_newest;
ALTER TABLE script_executions
    DROP COLUMN version, DROP COLUMN attempt, DROP COLUMN lost_count, DROP COLUMN error_code, DROP COLUMN error_stack,
    DROP COLUMN queued_at, DROP COLUMN run_at, DROP COLUMN handler, DROP COLUMN depth, DROP COLUMN event_id,
    DROP COLUMN scheduled_for, DROP COLUMN dead_letter_id, DROP COLUMN replay_of, DROP COLUMN parent_id, DROP COLUMN node_id,
    DROP COLUMN traceparent, DROP COLUMN attended, DROP COLUMN http_status;
