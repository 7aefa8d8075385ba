-- For package migrations/tenantdb: see 00009_row_level_security.sql.

-- name: TenantRoleEnter :exec
-- Makes the rest of the transaction a tenant's: its role, its id, a bound on each statement, and one on the
-- silence of a node that is cut off and holds locks. Lists have optional filters
-- (… IS NULL OR …): planned for the values at hand, each takes the index that fits; one plan for all values would take none.
SELECT set_config('jsruntime.tenant_id', (@tenant_id::uuid)::text, true),
       set_config('statement_timeout', (@statement_timeout_ms::bigint)::text, true),
       set_config('idle_in_transaction_session_timeout', '60000', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('role', 'jsruntime_tenant', true);
