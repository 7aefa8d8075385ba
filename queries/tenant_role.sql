-- For package migrations/tenantdb: see 00006_row_level_security.sql.

-- name: TenantRoleEnter :exec
-- Makes the rest of the transaction a tenant's: its role, its id, a bound on each statement, and one on the
-- silence of a node that is cut off and holds locks. Lists have optional filters
-- (… IS NULL OR …): planned for the values at hand, each takes the index that fits; one plan for all values would take none.
SELECT set_config('jsruntime.tenant_id', (@tenant_id::uuid)::text, true),
       set_config('statement_timeout', (@statement_timeout_ms::bigint)::text, true),
       set_config('idle_in_transaction_session_timeout', '60000', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('role', 'jsruntime_tenant', true);

-- name: TenantRoleState :one
-- What stands between a transaction and the role jsruntime_tenant. A superuser may become anybody; others must be members, from
-- Postgres 16 on with the option to SET ROLE.
SELECT current_user::text AS me,
       (to_regrole('jsruntime_tenant') IS NOT NULL)::bool AS there,
       COALESCE(pg_has_role(current_user, to_regrole('jsruntime_tenant')::oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END), false)::bool AS may_become,
       count(*)::int AS tables,
       (count(*) FILTER (WHERE NOT COALESCE(has_table_privilege(to_regrole('jsruntime_tenant')::oid, c.oid, 'SELECT'), false)
           OR NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'jsruntime_tenant_rows')))::int AS bare
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relrowsecurity;
