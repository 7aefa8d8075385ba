-- What Postgres needs for the states of an execution, from pending to completed: as they are, and with a slim table beside the history.
-- On an empty database of its own:
--
--   createdb slim && DATABASE_URL=postgres:///slim bin/jsruntime migrate up && psql -q slim -f bench/slim_queue.sql
--
-- Each draining procedure claims 200 of 40,000 at a time and ends them, in a transaction each, as the scheduler does.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET enable_sort = off; SET enable_bitmapscan = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;

INSERT INTO tenants (slug, name) SELECT 't' || i, 't' FROM generate_series(1, 4) i;
INSERT INTO organizations (tenant_id, name, is_default) SELECT id, 'o', true FROM tenants;
INSERT INTO scripts (tenant_id, organization_id, name, source, type, status)
SELECT o.tenant_id, o.id, i::text, '', 'event', 'active' FROM organizations o, generate_series(1, 2) i;

-- All of an execution until it ends; the history gets its row then.
CREATE TABLE slim (
    id uuid PRIMARY KEY, tenant_id uuid NOT NULL, script_id uuid NOT NULL, trigger_type text NOT NULL, trigger_data jsonb, input jsonb,
    version integer NOT NULL DEFAULT 1, attempt integer NOT NULL DEFAULT 1, lost_count integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL DEFAULT now(), run_at timestamptz NOT NULL DEFAULT now(), handler text NOT NULL, depth integer NOT NULL DEFAULT 0,
    event_id text, scheduled_for timestamptz, dead_letter_id uuid, replay_of uuid, parent_id uuid, cancel_requested boolean NOT NULL DEFAULT false,
    started_at timestamptz, node_id uuid, lease_token uuid, lease_expires_at timestamptz
) WITH (fillfactor = 60);
CREATE INDEX slim_order ON slim (tenant_id, script_id, run_at, id);

-- The lease alone; the pending row stays in the history and is changed once.
CREATE TABLE leases (
    id uuid PRIMARY KEY, tenant_id uuid NOT NULL, script_id uuid NOT NULL, run_at timestamptz NOT NULL,
    started_at timestamptz, node_id uuid, lease_token uuid, lease_expires_at timestamptz
) WITH (fillfactor = 60);
CREATE INDEX leases_order ON leases (tenant_id, script_id, run_at, id);

CREATE FUNCTION metrics() RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"duration_ms": 0.31, "cpu_ms": 0.031, "queue_ms": 12.1, "cold_start": false, "peak_memory_bytes": 12345678, "api_calls": 0, "output_bytes": 7, "log_bytes": 0}'::jsonb
$$;

CREATE PROCEDURE as_it_is() LANGUAGE plpgsql AS $$
DECLARE ids uuid[]; token uuid := gen_random_uuid();
BEGIN
    LOOP
        WITH picked AS (
            SELECT due.id FROM scripts s CROSS JOIN LATERAL (
                SELECT e.id FROM script_executions e WHERE e.status = 'pending' AND e.tenant_id = s.tenant_id AND e.script_id = s.id AND e.run_at <= now()
                ORDER BY e.run_at, e.id LIMIT 25 FOR UPDATE SKIP LOCKED) due
        ), claimed AS (
            UPDATE script_executions e SET status = 'running', node_id = token, lease_token = token, lease_expires_at = now() + interval '15 s', started_at = now()
            WHERE e.id = ANY (ARRAY(SELECT id FROM picked)) RETURNING e.*
        ) SELECT array_agg(c.id) INTO ids FROM claimed c;
        COMMIT;
        EXIT WHEN ids IS NULL;
        UPDATE script_executions e SET status = 'completed', output = '{"a": 1}', metrics = metrics(), completed_at = clock_timestamp(), lease_token = NULL, lease_expires_at = NULL
        WHERE e.id = ANY (ids) AND e.lease_token = token;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE one_insert_at_the_end() LANGUAGE plpgsql AS $$
DECLARE ids uuid[]; token uuid := gen_random_uuid();
BEGIN
    LOOP
        WITH picked AS (
            SELECT due.id FROM scripts s CROSS JOIN LATERAL (
                SELECT e.id FROM slim e WHERE e.tenant_id = s.tenant_id AND e.script_id = s.id AND e.run_at <= now() AND e.lease_token IS NULL
                ORDER BY e.run_at, e.id LIMIT 25 FOR UPDATE SKIP LOCKED) due
        ), claimed AS (
            UPDATE slim e SET node_id = token, lease_token = token, lease_expires_at = now() + interval '15 s', started_at = now()
            WHERE e.id = ANY (ARRAY(SELECT id FROM picked)) RETURNING e.*
        ) SELECT array_agg(c.id) INTO ids FROM claimed c;
        COMMIT;
        EXIT WHEN ids IS NULL;
        WITH gone AS (DELETE FROM slim e WHERE e.id = ANY (ids) AND e.lease_token = token RETURNING e.*)
        INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, output, metrics, started_at, completed_at, version,
            attempt, lost_count, queued_at, run_at, handler, depth, event_id, scheduled_for, dead_letter_id, replay_of, parent_id, node_id)
        SELECT g.id, g.script_id, g.tenant_id, 'completed', g.trigger_type, g.trigger_data, g.input, '{"a": 1}', metrics(), g.started_at, clock_timestamp(), g.version,
            g.attempt, g.lost_count, g.queued_at, g.run_at, g.handler, g.depth, g.event_id, g.scheduled_for, g.dead_letter_id, g.replay_of, g.parent_id, g.node_id FROM gone g;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE one_update_at_the_end() LANGUAGE plpgsql AS $$
DECLARE ids uuid[]; token uuid := gen_random_uuid();
BEGIN
    LOOP
        WITH picked AS (
            SELECT due.id FROM scripts s CROSS JOIN LATERAL (
                SELECT e.id FROM leases e WHERE e.tenant_id = s.tenant_id AND e.script_id = s.id AND e.run_at <= now() AND e.lease_token IS NULL
                ORDER BY e.run_at, e.id LIMIT 25 FOR UPDATE SKIP LOCKED) due
        ), claimed AS (
            UPDATE leases e SET node_id = token, lease_token = token, lease_expires_at = now() + interval '15 s', started_at = now()
            WHERE e.id = ANY (ARRAY(SELECT id FROM picked)) RETURNING e.id
        ), read AS (
            SELECT e.* FROM script_executions e WHERE e.id = ANY (ARRAY(SELECT id FROM claimed))
        ) SELECT array_agg(r.id) INTO ids FROM read r;
        COMMIT;
        EXIT WHEN ids IS NULL;
        WITH gone AS (DELETE FROM leases e WHERE e.id = ANY (ids) AND e.lease_token = token RETURNING e.*)
        UPDATE script_executions e SET status = 'completed', output = '{"a": 1}', metrics = metrics(), completed_at = clock_timestamp(), started_at = g.started_at, node_id = g.node_id
        FROM gone g WHERE e.id = g.id;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE enqueue(target regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($q$INSERT INTO %s (id, script_id, tenant_id, %s trigger_type, input, started_at, handler)
        SELECT jsruntime_uuid_v7(), s.id, s.tenant_id, %s 'event', '{"n": 1}', NULL, 'event' FROM generate_series(1, 5000) i, scripts s$q$,
        target, CASE WHEN target = 'slim'::regclass THEN '' ELSE 'status,' END, CASE WHEN target = 'slim'::regclass THEN '' ELSE $s$'pending',$s$ END);
    IF target <> 'slim'::regclass THEN
        INSERT INTO leases SELECT e.id, e.tenant_id, e.script_id, e.run_at FROM script_executions e WHERE e.status = 'pending';
    END IF;
END $$;

\timing on
\echo 40,000 executions as they are
CALL enqueue('script_executions');
CALL as_it_is();
TRUNCATE leases;
\echo in a slim table, inserted into the history at their end
CALL enqueue('slim');
CALL one_insert_at_the_end();
\echo leases in a slim table, one update of the history
CALL enqueue('script_executions');
CALL one_update_at_the_end();
