-- The tables that the seed's tables refer to: who owns scripts, who edits them, and the keys that speak for them.

-- +goose Up
CREATE TABLE tenants (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    slug VARCHAR(63) NOT NULL CONSTRAINT uq_tenants_slug UNIQUE
        CONSTRAINT ck_tenants_slug CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    settings JSONB NOT NULL DEFAULT '{}'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);

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

-- key_hash is the SHA-256 of the whole key; prefix is its visible start, unique so that one row is compared a request.
-- A superadmin key belongs to no tenant.
CREATE TABLE api_keys (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    role VARCHAR(50) NOT NULL CHECK (role IN ('superadmin', 'admin', 'developer', 'viewer')),
    prefix VARCHAR(32) NOT NULL CONSTRAINT uq_api_keys_prefix UNIQUE,
    key_hash BYTEA NOT NULL CHECK (octet_length(key_hash) = 32),
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    CONSTRAINT ck_api_keys_scope CHECK ((role = 'superadmin') = (tenant_id IS NULL))
);

CREATE INDEX idx_api_keys_tenant ON api_keys(tenant_id, created_at DESC, id DESC);

-- +goose Down
DROP TABLE api_keys;
DROP TABLE users;
DROP TABLE organizations;
DROP TABLE tenants;
