-- The tables that the seed's tables refer to: who owns scripts, who edits them, and the keys that speak for them.

-- +goose Up

-- plan is what the operator sells: bounds of the tenant, checked by the API. settings are the operator's own.
CREATE TABLE tenants (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    slug VARCHAR(63) NOT NULL CONSTRAINT uq_tenants_slug UNIQUE
        CONSTRAINT ck_tenants_slug CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    settings JSONB NOT NULL DEFAULT '{}'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    plan JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_tenants_plan CHECK (jsonb_typeof(plan) = 'object')
);
CREATE INDEX idx_tenants_created ON tenants(created_at DESC, id DESC);
CREATE INDEX idx_tenants_quotas ON tenants(id) WHERE plan->'quotas' IS NOT NULL;

CREATE TABLE organizations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    is_default BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    CONSTRAINT uq_organizations_tenant_name UNIQUE (tenant_id, name)
);

-- At most one default organization a tenant: the one that a script belongs to when its author names none.
CREATE UNIQUE INDEX uq_organizations_tenant_default ON organizations(tenant_id) WHERE is_default;
CREATE INDEX idx_organizations_tenant_created ON organizations(tenant_id, created_at DESC, id DESC);

CREATE TABLE users (
    id SERIAL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    organization_id UUID NOT NULL REFERENCES organizations(id),
    email VARCHAR(320) NOT NULL,
    name VARCHAR(255) NOT NULL,
    role VARCHAR(50) NOT NULL CHECK (role IN ('admin', 'developer', 'viewer')),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    CONSTRAINT uq_users_tenant_email UNIQUE (tenant_id, email)
);
CREATE INDEX idx_users_organization ON users(organization_id);

-- key_hash is the SHA-256 of the whole key; prefix is its visible start, unique so that one row is compared a request.
-- A superadmin key belongs to no tenant. user_id says on whose behalf a key acts: scripts and versions that it makes have that user as
-- created_by.
CREATE TABLE api_keys (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    role VARCHAR(50) NOT NULL CHECK (role IN ('superadmin', 'admin', 'developer', 'viewer', 'custom')),
    prefix VARCHAR(32) NOT NULL CONSTRAINT uq_api_keys_prefix UNIQUE,
    key_hash BYTEA NOT NULL CHECK (octet_length(key_hash) = 32),
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    user_id INTEGER REFERENCES users(id) ON DELETE SET NULL,
    scopes TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[], -- all that a key with the role custom may do
    CONSTRAINT ck_api_keys_scope CHECK ((role = 'superadmin') = (tenant_id IS NULL)),
    CONSTRAINT ck_api_keys_scopes CHECK ((role = 'custom') = (cardinality(scopes) > 0))
);

CREATE INDEX idx_api_keys_tenant ON api_keys(tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_api_keys_user ON api_keys(user_id) WHERE user_id IS NOT NULL;

-- +goose Down
DROP TABLE api_keys;
DROP TABLE users;
DROP TABLE organizations;
DROP TABLE tenants;
