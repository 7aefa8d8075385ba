-- For package migrations/tenantdb: see 00006_row_level_security.sql.

-- name: TenantRoleEnter :exec
-- Makes the rest of the transaction a tenant's: its role, its id, and a bound on each statement.
SELECT set_config('jsruntime.tenant_id', (@tenant_id::uuid)::text, true),
       set_config('statement_timeout', (@statement_timeout_ms::bigint)::text, true),
       set_config('role', 'jsruntime_tenant', true);
