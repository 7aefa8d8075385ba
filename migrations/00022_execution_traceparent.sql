-- The trace that an execution in the queue belongs to: a W3C traceparent of whoever put it there. NULL: none, or one that is not kept.
-- Synchronous executions, which the ledger copies, have none: their trace has them already.

-- +goose Up
ALTER TABLE script_executions ADD COLUMN traceparent VARCHAR(55);
ALTER TABLE script_executions ALTER COLUMN traceparent SET STATISTICS 0; -- nothing is ever asked of it

-- The function of 00008 with one argument more. Whoever leaves it out, as a node of the version before does, has none.
DROP FUNCTION jsruntime_enqueue_event(uuid, text, jsonb, text, timestamptz, integer);

-- What the node calls: it wakes the other nodes itself, in its own rhythm, and knows how long the chain of events is. A full queue
-- is a result here and no error, so that the count that found it full is kept.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_enqueue_event(
    p_tenant_id uuid, p_type text, p_data jsonb, p_id text, p_deliver_at timestamptz, p_depth integer, p_traceparent text DEFAULT NULL,
    OUT event_id text, OUT executions integer, OUT duplicate boolean, OUT queue_full boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    tenant RECORD;
    due timestamptz := GREATEST(COALESCE(p_deliver_at, now()), now());
    subscribers uuid[];
    versions integer[];
BEGIN
    IF p_type IS NULL OR length(p_type) > 255 OR p_type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' THEN
        RAISE EXCEPTION 'type: dot-separated words of letters, digits, _ and -, at most 255 characters' USING ERRCODE = 'JSR04';
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
    SELECT t.status, t.settings INTO tenant FROM tenants t WHERE t.id = p_tenant_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no tenant %', p_tenant_id USING ERRCODE = 'JSR01';
    END IF;
    IF tenant.status <> 'active' THEN
        RAISE EXCEPTION 'tenant is %', tenant.status USING ERRCODE = 'JSR02';
    END IF;

    SELECT array_agg(s.id), array_agg(s.version) INTO subscribers, versions
    FROM (
        SELECT DISTINCT u.script_id FROM script_event_subscriptions u
        WHERE u.tenant_id = p_tenant_id AND u.is_active AND u.event_type = ANY (jsruntime_event_patterns(p_type))
    ) matching
    JOIN scripts s ON s.id = matching.script_id AND s.tenant_id = p_tenant_id AND s.status = 'active';

    event_id := COALESCE(p_id, jsruntime_uuid_v7()::text);
    executions := COALESCE(cardinality(subscribers), 0);
    duplicate := false;
    queue_full := false;

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
        IF jsruntime_queue_full(p_tenant_id, jsruntime_max_queue_depth(tenant.settings)) THEN
            DELETE FROM script_events e WHERE e.tenant_id = p_tenant_id AND e.id = event_id;
            executions := 0;
            queue_full := true;
            RETURN;
        END IF;
        INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, started_at,
            version, queued_at, run_at, handler, depth, event_id, traceparent)
        SELECT jsruntime_uuid_v7(), sub.script_id, p_tenant_id, 'pending', 'event',
            jsonb_build_object('event_id', event_id, 'event_type', p_type),
            jsonb_build_object('id', event_id, 'type', p_type, 'time', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'data', p_data),
            NULL, sub.version, now(), due, 'event', p_depth, event_id, p_traceparent
        FROM unnest(subscribers, versions) AS sub(script_id, version);
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION jsruntime_enqueue_event(uuid, text, jsonb, text, timestamptz, integer, text);

-- What the node calls: it wakes the other nodes itself, in its own rhythm, and knows how long the chain of events is. A full queue
-- is a result here and no error, so that the count that found it full is kept.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_enqueue_event(
    p_tenant_id uuid, p_type text, p_data jsonb, p_id text, p_deliver_at timestamptz, p_depth integer,
    OUT event_id text, OUT executions integer, OUT duplicate boolean, OUT queue_full boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    tenant RECORD;
    due timestamptz := GREATEST(COALESCE(p_deliver_at, now()), now());
    subscribers uuid[];
    versions integer[];
BEGIN
    IF p_type IS NULL OR length(p_type) > 255 OR p_type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' THEN
        RAISE EXCEPTION 'type: dot-separated words of letters, digits, _ and -, at most 255 characters' USING ERRCODE = 'JSR04';
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
    SELECT t.status, t.settings INTO tenant FROM tenants t WHERE t.id = p_tenant_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no tenant %', p_tenant_id USING ERRCODE = 'JSR01';
    END IF;
    IF tenant.status <> 'active' THEN
        RAISE EXCEPTION 'tenant is %', tenant.status USING ERRCODE = 'JSR02';
    END IF;

    SELECT array_agg(s.id), array_agg(s.version) INTO subscribers, versions
    FROM (
        SELECT DISTINCT u.script_id FROM script_event_subscriptions u
        WHERE u.tenant_id = p_tenant_id AND u.is_active AND u.event_type = ANY (jsruntime_event_patterns(p_type))
    ) matching
    JOIN scripts s ON s.id = matching.script_id AND s.tenant_id = p_tenant_id AND s.status = 'active';

    event_id := COALESCE(p_id, jsruntime_uuid_v7()::text);
    executions := COALESCE(cardinality(subscribers), 0);
    duplicate := false;
    queue_full := false;

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
        IF jsruntime_queue_full(p_tenant_id, jsruntime_max_queue_depth(tenant.settings)) THEN
            DELETE FROM script_events e WHERE e.tenant_id = p_tenant_id AND e.id = event_id;
            executions := 0;
            queue_full := true;
            RETURN;
        END IF;
        INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, trigger_data, input, started_at,
            version, queued_at, run_at, handler, depth, event_id)
        SELECT jsruntime_uuid_v7(), sub.script_id, p_tenant_id, 'pending', 'event',
            jsonb_build_object('event_id', event_id, 'event_type', p_type),
            jsonb_build_object('id', event_id, 'type', p_type, 'time', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'data', p_data),
            NULL, sub.version, now(), due, 'event', p_depth, event_id
        FROM unnest(subscribers, versions) AS sub(script_id, version);
    END IF;
END
$$;
-- +goose StatementEnd

ALTER TABLE script_executions DROP COLUMN traceparent;
