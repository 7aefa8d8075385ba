-- Publishing an event: one function that applications call inside their own transactions, and that the node itself uses.
--
--   SELECT * FROM jsruntime_publish_event(tenant_id, 'order.paid', '{"total": 12}');          -- event_id, executions, duplicate
--   SELECT * FROM jsruntime_publish_event(tenant_id, 'order.paid', data, 'order-17-paid');    -- once in 24 h, however often it is repeated
--   SELECT * FROM jsruntime_publish_event(tenant_id, 'trial.ended', data, deliver_at => now() + interval '14 days');
--
-- Each active script of the tenant that subscribes to the type gets one pending execution, however many of its patterns match.
-- All of it is in the caller's transaction: what is rolled back was never published, what is committed will run.
--
-- Refusals have an SQLSTATE of their own, so that callers can tell them apart:
--   JSR01 no such tenant   JSR02 tenant suspended   JSR03 the tenant's queue is full   JSR04 not a valid event   JSR05 chain of events too deep
--
-- The functions run with the caller's rights: the caller must be allowed to do what they do.
--
-- An event with a thousand subscribers is a thousand executions: the queue is asked whether all of them fit, and the event's data are
-- stored once. An execution of an event has {id, type, time} as its input; jsruntime_input adds the data of script_events for its
-- readers. The event stays as long as one of its executions does. What runs without its event (a redrive of a dead letter, a replay)
-- has its whole input.

-- +goose Up

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

-- How many executions wait, per tenant: what a publication counted at counted_at. See jsruntime_queue_full.
CREATE TABLE script_queue_depths (
    tenant_id UUID PRIMARY KEY REFERENCES tenants(id) ON DELETE CASCADE,
    pending INTEGER NOT NULL,
    counted_at TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (fillfactor = 50);

-- A UUID of version 7: its first 48 bits are milliseconds, so that new rows land at an index's right edge.
CREATE FUNCTION jsruntime_uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- The subscription patterns that an event type satisfies: itself, prefix.* for each of its prefixes, and * unless it is a built-in event's: *
-- is all that a tenant publishes itself.
CREATE FUNCTION jsruntime_event_patterns(event_type text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN event_type LIKE 'jsruntime.%' THEN ARRAY[event_type] ELSE ARRAY[event_type, '*'] END || ARRAY(
        SELECT array_to_string(words[1:n], '.') || '.*'
        FROM string_to_array(event_type, '.') AS words, generate_series(1, cardinality(words) - 1) AS n)
$$;

-- An execution's whole input.
CREATE FUNCTION jsruntime_input(tenant uuid, event text, trigger text, input jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN trigger = 'event' AND event IS NOT NULL AND jsonb_typeof(input) = 'object' AND NOT input ? 'data'
        THEN input || jsonb_build_object('data', (SELECT v.data FROM script_events v WHERE v.tenant_id = tenant AND v.id = event))
        ELSE input END
$$;

-- Whether fewer than wanted executions fit into the tenant's queue of max_depth. Bounds up to 1,000 are counted each time, which walks
-- that many index entries at most, and so are larger ones for many executions at once, which cost more than the count. For a few,
-- larger ones are counted by one caller every few seconds (every second once the queue is half full, since it may then fill before the
-- next count), and looked up by the others; counting them for each call took 4 ms a call at 30,000 waiting. A caller that does not get
-- the lock goes by the last count.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_queue_full(tenant uuid, max_depth integer, wanted integer DEFAULT 1) RETURNS boolean LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
    last script_queue_depths;
    waiting integer;
BEGIN
    IF wanted > max_depth THEN
        RETURN true;
    END IF;
    IF max_depth > 1000 AND wanted <= 10 THEN
        SELECT * INTO last FROM script_queue_depths d WHERE d.tenant_id = tenant;
        IF last.counted_at > clock_timestamp() - (CASE WHEN last.pending > max_depth / 2 THEN interval '1 second' ELSE interval '5 seconds' END)
            OR NOT pg_try_advisory_xact_lock(hashtextextended('jsruntime_queue_depth ' || tenant::text, 0)) THEN
            RETURN COALESCE(last.pending + wanted > max_depth, false);
        END IF;
    END IF;
    SELECT count(*) INTO waiting
    FROM (SELECT FROM script_execution_queue q WHERE q.tenant_id = tenant AND q.lease_token IS NULL LIMIT GREATEST(max_depth, 0)) w;
    IF max_depth > 1000 THEN
        INSERT INTO script_queue_depths AS d (tenant_id, pending, counted_at) VALUES (tenant, waiting, clock_timestamp())
        ON CONFLICT (tenant_id) DO UPDATE SET pending = EXCLUDED.pending, counted_at = EXCLUDED.counted_at;
    END IF;
    RETURN waiting + wanted > max_depth;
END
$$;
-- +goose StatementEnd

-- The tenant's own bound of its queue, or the default of 100,000.
CREATE FUNCTION jsruntime_max_queue_depth(plan jsonb) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT COALESCE(CASE WHEN jsonb_typeof(plan->'max_queue_depth') = 'number'
        THEN LEAST(GREATEST((plan->>'max_queue_depth')::numeric, 0), 2000000000)::integer END, 100000)
$$;

-- What the node calls: it wakes the other nodes itself, in its own rhythm, and knows how long the chain of events is. A full queue
-- is a result here and no error, so that the count that found it full is kept.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_enqueue_event(
    p_tenant_id uuid, p_type text, p_data jsonb, p_id text, p_deliver_at timestamptz, p_depth integer, p_traceparent text DEFAULT NULL, p_built_in boolean DEFAULT false,
    OUT event_id text, OUT executions integer, OUT duplicate boolean, OUT queue_full boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    tenant RECORD;
    due timestamptz := GREATEST(COALESCE(p_deliver_at, now()), now());
    subscribers uuid[];
    versions integer[];
    queue text := current_setting('jsruntime.queue', true);
BEGIN
    IF p_type IS NULL OR length(p_type) > 255 OR p_type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' THEN
        RAISE EXCEPTION 'type: dot-separated words of letters, digits, _ and -, at most 255 characters' USING ERRCODE = 'JSR04';
    END IF;
    IF p_type LIKE 'jsruntime.%' AND NOT p_built_in THEN
        RAISE EXCEPTION 'type: names that begin with jsruntime. are those of built-in events' USING ERRCODE = 'JSR04';
    END IF;
    IF p_id IS NOT NULL AND (length(p_id) NOT BETWEEN 1 AND 255 OR p_id ~ '[[:cntrl:]]') THEN
        RAISE EXCEPTION 'id: 1 to 255 characters without control characters' USING ERRCODE = 'JSR04';
    END IF;
    IF p_data IS NULL THEN
        RAISE EXCEPTION 'data: required' USING ERRCODE = 'JSR04';
    END IF;
    IF pg_column_size(p_data) > 1048576 THEN
        RAISE EXCEPTION 'data: at most 1048576 bytes, has %', pg_column_size(p_data) USING ERRCODE = 'JSR04';
    END IF;
    IF due > now() + interval '366 days' THEN
        RAISE EXCEPTION 'deliver_at: at most 366 days ahead' USING ERRCODE = 'JSR04';
    END IF;
    IF p_depth > 16 THEN
        RAISE EXCEPTION 'a chain of events and invocations may be 16 long, this one is %', p_depth USING ERRCODE = 'JSR05';
    END IF;
    SELECT t.status, t.plan INTO tenant FROM tenants t WHERE t.id = p_tenant_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no tenant %', p_tenant_id USING ERRCODE = 'JSR01';
    END IF;
    IF tenant.status <> 'active' THEN
        RAISE EXCEPTION 'tenant is %', tenant.status USING ERRCODE = 'JSR02';
    END IF;

    SELECT array_agg(s.id), array_agg(jsruntime_routed_version(s.version, s.candidate_version, s.candidate_percent)) INTO subscribers, versions
    FROM (
        SELECT DISTINCT u.script_id FROM script_event_subscriptions u
        WHERE u.tenant_id = p_tenant_id AND u.is_active AND u.event_type = ANY (jsruntime_event_patterns(p_type))
    ) matching
    JOIN scripts s ON s.id = matching.script_id AND s.tenant_id = p_tenant_id AND s.status = 'active';

    event_id := COALESCE(p_id, jsruntime_uuid_v7()::text);
    executions := COALESCE(cardinality(subscribers), 0);
    duplicate := false;
    queue_full := false;

    -- An id that is free again gets other data: executions of the event before it keep theirs themselves from now on.
    IF p_id IS NOT NULL THEN
        UPDATE script_executions x SET input = x.input || jsonb_build_object('data', v.data)
        FROM script_events v
        WHERE v.tenant_id = p_tenant_id AND v.id = p_id AND v.published_at < now() - interval '24 hours'
          AND x.tenant_id = p_tenant_id AND x.event_id = p_id AND x.trigger_type = 'event' AND jsonb_typeof(x.input) = 'object' AND NOT x.input ? 'data';
    END IF;

    -- A concurrent publication of the same id waits here for this transaction's end, and is then the duplicate. An id that was
    -- used more than 24 h ago is free again.
    INSERT INTO script_events AS e (tenant_id, id, type, data, depth, executions, published_at, deliver_at)
    VALUES (p_tenant_id, event_id, p_type, p_data, p_depth, executions, now(), due)
    ON CONFLICT (tenant_id, id) DO UPDATE
        SET type = EXCLUDED.type, data = EXCLUDED.data, depth = EXCLUDED.depth, executions = EXCLUDED.executions,
            published_at = EXCLUDED.published_at, deliver_at = EXCLUDED.deliver_at
        WHERE e.published_at < now() - interval '24 hours';
    IF NOT FOUND THEN
        SELECT e.executions INTO executions FROM script_events e WHERE e.tenant_id = p_tenant_id AND e.id = event_id;
        executions := COALESCE(executions, 0);
        duplicate := true;
        RETURN;
    END IF;

    IF executions > 0 THEN
        IF jsruntime_queue_full(p_tenant_id, jsruntime_max_queue_depth(tenant.plan), executions) THEN
            DELETE FROM script_events e WHERE e.tenant_id = p_tenant_id AND e.id = event_id;
            executions := 0;
            queue_full := true;
            RETURN;
        END IF;
        -- For this statement alone. (A SET of the function's own is for superusers: Postgres does not know the parameter.)
        PERFORM set_config('jsruntime.queue', 'kept', true);
        WITH accepted AS (
            INSERT INTO script_executions AS x (id, script_id, tenant_id, status, trigger_type, trigger_data, input, started_at,
                version, queued_at, run_at, handler, depth, event_id, traceparent)
            SELECT jsruntime_uuid_v7(), sub.script_id, p_tenant_id, 'pending', 'event',
                jsonb_build_object('event_id', event_id, 'event_type', p_type),
                jsonb_build_object('id', event_id, 'type', p_type, 'time', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
                NULL, sub.version, now(), due, 'event', p_depth, event_id, p_traceparent
            FROM unnest(subscribers, versions) AS sub(script_id, version)
            RETURNING x.id, x.script_id, x.version
        )
        INSERT INTO script_execution_queue (id, tenant_id, script_id, run_at, version, trigger_type)
        SELECT a.id, p_tenant_id, a.script_id, due, a.version, 'event' FROM accepted a;
        PERFORM set_config('jsruntime.queue', COALESCE(queue, ''), true);
    END IF;
END
$$;
-- +goose StatementEnd

-- A built-in event, in the transaction of what it tells; returns its executions. An event to which no script subscribes is not stored; neither is
-- one of a tenant that is suspended or whose queue is full: what it tells goes on.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_publish_built_in(p_tenant_id uuid, p_type text, p_data jsonb) RETURNS integer LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS $$
    SELECT COALESCE(sum(e.executions), 0)::integer
    FROM (SELECT t.id FROM tenants t WHERE t.id = p_tenant_id AND t.status = 'active' AND EXISTS (SELECT FROM script_event_subscriptions u
        WHERE u.tenant_id = t.id AND u.is_active AND u.event_type = ANY (jsruntime_event_patterns(p_type)))) AS subscribed
    CROSS JOIN LATERAL jsruntime_enqueue_event(subscribed.id, p_type, p_data, NULL, NULL, 0, NULL, true) AS e
$$;
-- +goose StatementEnd

-- What applications call. It wakes the nodes with a notification, which Postgres sends once a transaction however often it is
-- asked for; since notifying transactions commit one after the other, an application that publishes thousands of times a second
-- may SET jsruntime.notify = 'off' and let the nodes find its events by polling, within a second.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_publish_event(
    tenant_id uuid, type text, data jsonb, id text DEFAULT NULL, deliver_at timestamptz DEFAULT NULL,
    OUT event_id text, OUT executions integer, OUT duplicate boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    queue_full boolean;
BEGIN
    SELECT e.event_id, e.executions, e.duplicate, e.queue_full INTO event_id, executions, duplicate, queue_full
    FROM jsruntime_enqueue_event(tenant_id, type, data, id, deliver_at, 0) e;
    IF queue_full THEN
        RAISE EXCEPTION 'the tenant has max_queue_depth executions waiting' USING ERRCODE = 'JSR03';
    END IF;
    IF executions > 0 AND NOT duplicate AND current_setting('jsruntime.notify', true) IS DISTINCT FROM 'off' THEN
        PERFORM pg_notify('jsruntime_queue', '');
    END IF;
END
$$;
-- +goose StatementEnd

-- Values of some kilobytes and more are compressed with lz4 where the server was built with it: a JSON of 96 KB costs 6.0 ms to insert instead
-- of 11.4 with pglz, the default, and takes 45 KB instead of 44 (Postgres 15). Partitions that are made later have it from their parents.
-- +goose StatementBegin
DO $$
DECLARE
    part regclass;
    col RECORD;
BEGIN
    FOR col IN SELECT * FROM (VALUES
        ('script_executions', 'input'), ('script_executions', 'output'), ('script_execution_logs', 'message'),
        ('script_execution_calls', 'bodies'),
        ('script_events', 'data'), ('script_event_dead_letters', 'event_data')) c(relname, attname)
    LOOP
        FOR part IN SELECT col.relname::regclass UNION SELECT t.relid FROM pg_partition_tree(col.relname::regclass) t LOOP
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION lz4', part, col.attname);
        END LOOP;
    END LOOP;
EXCEPTION
    WHEN feature_not_supported THEN
        RAISE NOTICE 'this server has no lz4: large values are compressed with pglz';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION jsruntime_publish_event(uuid, text, jsonb, text, timestamptz);
DROP FUNCTION jsruntime_publish_built_in(uuid, text, jsonb);
DROP FUNCTION jsruntime_enqueue_event(uuid, text, jsonb, text, timestamptz, integer, text, boolean);
DROP FUNCTION jsruntime_max_queue_depth(jsonb);
DROP FUNCTION jsruntime_queue_full(uuid, integer, integer);
DROP FUNCTION jsruntime_input(uuid, text, text, jsonb);
DROP FUNCTION jsruntime_event_patterns(text);
DROP FUNCTION jsruntime_uuid_v7();
DROP TABLE script_queue_depths;
DROP TABLE script_events;
