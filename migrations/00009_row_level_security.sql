-- The second wall between tenants. The first is that every query names its tenant; this one makes a query that forgot to
-- return nothing.
--
-- Two roles touch the tables:
--
--   the owner, whom a node connects as: the service role. Scheduler, gateway, ledger and catalog serve all tenants and use it.
--     Row-level security does not apply to a table's owner (ENABLE, not FORCE), so they see every row.
--   jsruntime_tenant: cannot log in, owns nothing, has no BYPASSRLS. A request of one tenant's key runs as it:
--
--     BEGIN;
--     SET LOCAL ROLE jsruntime_tenant;
--     SELECT set_config('jsruntime.tenant_id', '<the key''s tenant>', true);
--     …                                   -- sees and writes rows of that tenant only
--     COMMIT;                             -- role and setting end with the transaction, so nothing leaks into the pool
--
--   (package migrations/tenantdb does that, in one round trip for the two settings.) Without the setting, or with an empty one,
--   every policy compares with NULL and no row is seen.
--
-- Every table with a tenant_id has one policy, jsruntime_tenant_rows, for reading and writing alike. The sub-select makes
-- Postgres read the setting once a statement, and lets it use the indexes that start with tenant_id. Foreign keys, their
-- cascades and our triggers run with the owner's rights, as Postgres has it: they work across what the role may not see.
--
-- jsruntime_protect_tenant_tables() does all of it and may be repeated. A migration that adds a table with a tenant_id calls it;
-- a test fails for a table that was forgotten.

-- +goose Up

-- Scripts and clients send any Unicode text: a database that cannot hold it would refuse rows one by one, later.
-- +goose StatementBegin
DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database has encoding %, and must have UTF8', current_setting('server_encoding')
            USING HINT = 'CREATE DATABASE … ENCODING ''UTF8'' TEMPLATE template0';
    END IF;
END
$$;
-- +goose StatementEnd

-- Roles belong to the server and not to the database: another database's migration may be making the same one just now.
-- +goose StatementBegin
DO $$
BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jsruntime_tenant') THEN
                CREATE ROLE jsruntime_tenant NOLOGIN NOINHERIT NOCREATEDB NOCREATEROLE NOREPLICATION;
            END IF;
            -- A superuser may become anybody. Others must be members, from Postgres 16 on with the option to SET ROLE, which a
            -- grant gives by default.
            IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
               AND NOT pg_has_role(current_user, 'jsruntime_tenant', CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
                GRANT jsruntime_tenant TO CURRENT_USER;
            END IF;
            EXIT;
        EXCEPTION
            WHEN duplicate_object OR unique_violation OR internal_error THEN
                -- Lost the race for the role or for the membership ("tuple concurrently updated"): look again.
                IF attempt = 20 THEN
                    RAISE;
                END IF;
                PERFORM pg_sleep(0.05);
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'the role jsruntime_tenant is missing, and % may not make it', current_user
                    USING ERRCODE = 'insufficient_privilege',
                          HINT = format('As an administrator: CREATE ROLE jsruntime_tenant NOLOGIN; GRANT jsruntime_tenant TO %I;', current_user);
        END;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'jsruntime_tenant' AND (rolsuper OR rolbypassrls)) THEN
        RAISE EXCEPTION 'the role jsruntime_tenant must be neither superuser nor BYPASSRLS';
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION jsruntime_protect_tenant_tables() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    tenant_table RECORD;
    of_tenant TEXT;
    allowed TEXT;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO jsruntime_tenant', current_schema());
    FOR tenant_table IN
        -- A partition has the rules of its parent.
        SELECT c.relname, COALESCE((SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid), c.relname) AS ruled_as
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND (c.relname IN ('tenants', 'idempotency_keys')
               OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
          -- What changed is for nodes only; the trigger that writes it runs with the owner's rights.
          AND c.relname <> 'jsruntime_changes'
        ORDER BY c.relname
    LOOP
        of_tenant := CASE tenant_table.ruled_as
            WHEN 'tenants' THEN 'id = (SELECT NULLIF(current_setting(''jsruntime.tenant_id'', true), '''')::uuid)'
            WHEN 'idempotency_keys' THEN 'scope = (SELECT NULLIF(current_setting(''jsruntime.tenant_id'', true), ''''))'
            ELSE 'tenant_id = (SELECT NULLIF(current_setting(''jsruntime.tenant_id'', true), '''')::uuid)'
        END;
        -- A tenant reads what the runtime writes about it, and never rewrites its own history.
        allowed := CASE tenant_table.ruled_as
            WHEN 'tenants' THEN 'SELECT'
            WHEN 'audit_log' THEN 'SELECT, INSERT'
            WHEN 'script_usage_daily' THEN 'SELECT'
            WHEN 'tenant_usage_daily' THEN 'SELECT'
            WHEN 'tenant_quota_notices' THEN 'SELECT'
            WHEN 'script_health' THEN 'SELECT'
            WHEN 'script_schedule_ticks' THEN 'SELECT'
            WHEN 'script_refusals' THEN 'SELECT'
            WHEN 'script_signed_requests' THEN 'SELECT'
            WHEN 'script_http_hosts' THEN 'SELECT'
            WHEN 'script_http_answers' THEN 'SELECT'
            WHEN 'script_execution_logs' THEN 'SELECT'
            WHEN 'script_execution_calls' THEN 'SELECT'
            WHEN 'tenant_storage' THEN 'SELECT'
            ELSE 'SELECT, INSERT, UPDATE, DELETE'
        END;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table.relname);
        EXECUTE format('DROP POLICY IF EXISTS jsruntime_tenant_rows ON %I', tenant_table.relname);
        EXECUTE format('CREATE POLICY jsruntime_tenant_rows ON %I TO jsruntime_tenant USING (%s) WITH CHECK (%s)', tenant_table.relname, of_tenant, of_tenant);
        EXECUTE format('REVOKE ALL ON %I FROM jsruntime_tenant', tenant_table.relname);
        EXECUTE format('GRANT %s ON %I TO jsruntime_tenant', allowed, tenant_table.relname);
    END LOOP;
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO jsruntime_tenant', current_schema());
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION jsruntime_protect_tenant_tables() FROM PUBLIC;

SELECT jsruntime_protect_tenant_tables();

-- The first partitions, so that a new database works at once; nodes make the others.
SELECT jsruntime_make_partition(parent, day, day + interval '1 day')
FROM unnest(ARRAY['script_executions', 'script_execution_logs', 'script_execution_calls']) AS parent,
    generate_series(date_trunc('day', now(), 'UTC'), date_trunc('day', now(), 'UTC') + interval '2 days', interval '1 day') AS day;

-- Functions look for names in pg_catalog, which comes first without being named, in the schema of the tables, and in the caller's
-- temporary objects last. (Named first, pg_catalog would be their current_schema().) Without that Postgres looks at temporary tables first:
-- a role that may make some could put its own under the name of ours, also for the function that runs with the owner's rights. Nothing
-- here makes use of temporary tables, so only the owner may make any.
-- +goose StatementBegin
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'jsruntime\_%' LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', f, current_schema());
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
-- +goose StatementEnd

-- +goose Down
-- The role stays: other databases of the server may use it.
-- +goose StatementBegin
DO $$
DECLARE
    tenant_table RECORD;
BEGIN
    FOR tenant_table IN SELECT tablename FROM pg_policies WHERE policyname = 'jsruntime_tenant_rows' AND schemaname = current_schema() LOOP
        EXECUTE format('DROP POLICY jsruntime_tenant_rows ON %I', tenant_table.tablename);
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', tenant_table.tablename);
        EXECUTE format('REVOKE ALL ON %I FROM jsruntime_tenant', tenant_table.tablename);
    END LOOP;
    EXECUTE format('REVOKE USAGE ON ALL SEQUENCES IN SCHEMA %I FROM jsruntime_tenant', current_schema());
    EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM jsruntime_tenant', current_schema());
END
$$;
-- +goose StatementEnd
DROP FUNCTION jsruntime_protect_tenant_tables();
