-- What the admin API needs of its own.

-- +goose Up

-- user_id says on whose behalf a key acts: scripts and versions that it makes have that user as created_by.
ALTER TABLE api_keys ADD COLUMN user_id INTEGER REFERENCES users(id) ON DELETE SET NULL;
CREATE INDEX idx_api_keys_user ON api_keys(user_id) WHERE user_id IS NOT NULL;
CREATE INDEX idx_users_organization ON users(organization_id);
CREATE INDEX idx_versions_created_by ON script_versions(created_by) WHERE created_by IS NOT NULL;

-- Endings that people look for are rare among completed rows: small partial indexes keep the lists of them fast without
-- costing anything where an execution completes.
CREATE INDEX idx_executions_tenant_ended_badly ON script_executions(tenant_id, status, queued_at DESC, id DESC)
    WHERE status IN ('failed', 'timeout', 'cancelled');

-- Deleting a tenant takes its executions with its scripts; the lists of endpoints and subscriptions are keyset-paged.
CREATE INDEX idx_endpoints_tenant_created ON script_http_endpoints(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_event_subs_tenant_created ON script_event_subscriptions(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_organizations_tenant_created ON organizations(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_tenants_created ON tenants(created_at DESC, id DESC);

-- +goose Down
DROP INDEX idx_tenants_created, idx_organizations_tenant_created, idx_event_subs_tenant_created, idx_endpoints_tenant_created,
    idx_executions_tenant_ended_badly, idx_versions_created_by, idx_users_organization, idx_api_keys_user;
ALTER TABLE api_keys DROP COLUMN user_id;
