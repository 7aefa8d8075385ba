-- Functions look for names in pg_catalog, which comes first without being named, in the schema of the tables, and in the caller's temporary
-- objects last. (Named first, pg_catalog would be their current_schema().) "FROM CURRENT" had
-- kept the search path of the migrating session: usually "$user", public, for which Postgres looks at temporary tables first. A
-- role that may make temporary tables could have put its own under the name of ours, also for the function that runs with the owner's
-- rights. Of temporary tables nothing here makes use, so only the owner may make any.

-- +goose Up
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
SELECT 1;
