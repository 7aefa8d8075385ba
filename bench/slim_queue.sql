-- What Postgres needs for the states of an execution, from pending to completed, in CPU time of the session: with the queue of the schema,
-- and with a queue that has all of an execution until it ends, whose history is one insert. On an empty database of its own, as a superuser:
--
--   createdb slim && DATABASE_URL=postgres:///slim bin/jsruntime migrate up && psql -q slim -f bench/slim_queue.sql
--
-- Each draining procedure claims 200 of 40,000 at a time and ends them, in a transaction each, as the scheduler does. The statements
-- are those of queries/script_executions.sql. Figures are in bench/doc.go, those of the schema before the
-- queue too.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET enable_sort = off; SET enable_bitmapscan = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;

INSERT INTO tenants (slug, name) SELECT 't' || i, 't' FROM generate_series(1, 4) i;
INSERT INTO organizations (tenant_id, name, is_default) SELECT id, 'o', true FROM tenants;
INSERT INTO scripts (tenant_id, organization_id, name, source, type, status)
SELECT o.tenant_id, o.id, i::text, '', 'event', 'active' FROM organizations o, generate_series(1, 2) i;

-- All of an execution until it ends; the history gets its row then.
CREATE TABLE whole (
    id uuid PRIMARY KEY, tenant_id uuid NOT NULL, script_id uuid NOT NULL, trigger_type text NOT NULL, trigger_data jsonb, input jsonb,
    version integer NOT NULL DEFAULT 1, attempt integer NOT NULL DEFAULT 1, lost_count integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL DEFAULT now(), run_at timestamptz NOT NULL DEFAULT now(), handler text NOT NULL, depth integer NOT NULL DEFAULT 0,
    event_id text, scheduled_for timestamptz, dead_letter_id uuid, replay_of uuid, parent_id uuid, cancel_requested boolean NOT NULL DEFAULT false,
    started_at timestamptz, node_id uuid, lease_token uuid, lease_expires_at timestamptz
) WITH (fillfactor = 60);
CREATE INDEX whole_due ON whole (tenant_id, script_id, run_at, id) WHERE lease_token IS NULL;
CREATE INDEX whole_leased ON whole (lease_expires_at) WHERE lease_token IS NOT NULL;

ALTER TABLE whole SET (autovacuum_enabled = off);
ALTER TABLE script_execution_queue SET (autovacuum_enabled = off); -- a vacuum's own transaction keeps dead entries, which nodes pass by their floor
ALTER TABLE script_executions_default SET (autovacuum_enabled = off);

CREATE FUNCTION metrics() RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"duration_ms": 0.31, "cpu_ms": 0.031, "queue_ms": 12.1, "cold_start": false, "peak_memory_bytes": 12345678, "api_calls": 0, "output_bytes": 7, "log_bytes": 0}'::jsonb
$$;
-- Milliseconds of CPU that this session has taken.
CREATE FUNCTION cpu_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (split_part(s, ' ', 12)::bigint + split_part(s, ' ', 13)::bigint) * 10 FROM regexp_replace(pg_read_file('/proc/self/stat', 0, 4096), '^.*\) ', '') s
$$;

CREATE PROCEDURE drain_queue() LANGUAGE plpgsql AS $$
DECLARE ids uuid[]; token uuid := gen_random_uuid();
BEGIN
    LOOP
        WITH picked AS (
            SELECT due.id FROM scripts s CROSS JOIN LATERAL (
                SELECT q.id FROM script_execution_queue q WHERE q.lease_token IS NULL AND q.tenant_id = s.tenant_id AND q.script_id = s.id AND q.run_at <= now()
                ORDER BY q.run_at, q.id LIMIT 25 FOR UPDATE SKIP LOCKED) due
        ), claimed AS (
            UPDATE script_execution_queue q SET node_id = token, lease_token = token, lease_expires_at = now() + interval '15 s', started_at = now()
            WHERE q.id = ANY (ARRAY(SELECT id FROM picked)) RETURNING q.id, q.run_at
        ), read AS (
            SELECT e.id, e.input, e.trigger_data, e.event_id FROM claimed c JOIN script_executions e ON e.id = c.id OFFSET 0
        ) SELECT array_agg(r.id) INTO ids FROM read r;
        COMMIT;
        EXIT WHEN ids IS NULL;
        PERFORM set_config('jsruntime.queue', 'kept', true);
        WITH h AS (SELECT unnest(ids) AS id), gone AS (
            DELETE FROM script_execution_queue q USING h WHERE q.id = h.id AND q.lease_token = token RETURNING q.id, q.started_at, q.node_id
        )
        UPDATE script_executions e SET status = 'completed', output = '{"a": 1}', metrics = metrics(), completed_at = clock_timestamp(), started_at = g.started_at, node_id = g.node_id
        FROM gone g WHERE e.id = g.id;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE drain_whole() LANGUAGE plpgsql AS $$
DECLARE ids uuid[]; token uuid := gen_random_uuid();
BEGIN
    LOOP
        WITH picked AS (
            SELECT due.id FROM scripts s CROSS JOIN LATERAL (
                SELECT q.id FROM whole q WHERE q.lease_token IS NULL AND q.tenant_id = s.tenant_id AND q.script_id = s.id AND q.run_at <= now()
                ORDER BY q.run_at, q.id LIMIT 25 FOR UPDATE SKIP LOCKED) due
        ), claimed AS (
            UPDATE whole q SET node_id = token, lease_token = token, lease_expires_at = now() + interval '15 s', started_at = now()
            WHERE q.id = ANY (ARRAY(SELECT id FROM picked)) RETURNING q.*
        ) SELECT array_agg(c.id) INTO ids FROM claimed c;
        COMMIT;
        EXIT WHEN ids IS NULL;
        WITH gone AS (DELETE FROM whole q WHERE q.id = ANY (ids) AND q.lease_token = token RETURNING q.*)
        INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, output, metrics, started_at, completed_at, version,
            attempt, lost_count, queued_at, run_at, handler, depth, event_id, scheduled_for, dead_letter_id, replay_of, parent_id, node_id)
        SELECT g.id, g.script_id, g.tenant_id, 'completed', g.trigger_type, g.trigger_data, g.input, '{"a": 1}', metrics(), g.started_at, clock_timestamp(), g.version,
            g.attempt, g.lost_count, g.queued_at, g.run_at, g.handler, g.depth, g.event_id, g.scheduled_for, g.dead_letter_id, g.replay_of, g.parent_id, g.node_id FROM gone g;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE measure(what text, fill text, drain text) LANGUAGE plpgsql AS $$
DECLARE began bigint := cpu_ms(); filled bigint;
BEGIN
    EXECUTE fill;
    COMMIT;
    filled := cpu_ms();
    IF drain = 'drain_queue' THEN
        CALL drain_queue();
    ELSE
        CALL drain_whole();
    END IF;
    RAISE WARNING '%: enqueue % µs, claim and end % µs, in all % µs an execution', what, (filled - began) / 40.0, (cpu_ms() - filled) / 40.0, (cpu_ms() - began) / 40.0;
END $$;
CREATE FUNCTION filling(target text, columns text, "values" text) RETURNS text LANGUAGE sql AS $$
    SELECT format('INSERT INTO %s AS x (id, script_id, tenant_id, trigger_type, trigger_data, input, started_at, handler, event_id%s)
        SELECT jsruntime_uuid_v7(), s.id, s.tenant_id, ''event'', ''{"event_id": "e", "event_type": "x"}'', ''{"n": 1}'', NULL, ''event'', i::text%s FROM generate_series(1, 5000) i, scripts s', target, columns, "values")
$$;

SELECT 'WITH accepted AS (' || filling('script_executions', ', status', $$, 'pending'$$) || ' RETURNING x.id, x.tenant_id, x.script_id, x.run_at, x.version)
    INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, version, trigger_type) SELECT a.id, a.tenant_id, a.script_id, a.run_at, a.version, ''event'' FROM accepted a' AS fill_queue,
    filling('script_executions', ', status', $$, 'pending'$$) AS fill_trigger, filling('whole', '', '') AS fill_whole \gset
SET jsruntime.queue = 'kept';
CALL measure('warm-up', :'fill_queue', 'drain_queue');
CALL measure('the queue, one update of the history', :'fill_queue', 'drain_queue');
CALL measure('all of it in the queue, one insert into the history', :'fill_whole', 'drain_whole');
CALL measure('the queue, one update of the history', :'fill_queue', 'drain_queue');
CALL measure('all of it in the queue, one insert into the history', :'fill_whole', 'drain_whole');
SET jsruntime.queue = '';
CALL measure('the queue by the trigger, one update of the history', :'fill_trigger', 'drain_queue');
