-- Sessions of the console, and the one-time links that begin one.
--
-- Of a token only its SHA-256 is stored. Whose session it is: key_id names a key of the table api_keys, with which the session ends;
-- operator_proof stands for a key that is in the nodes' environment only. It is an HMAC of the token's hash under that key, so that a
-- session of the operator ends when the key is taken out of use, and a row that is written to the database by hand is none.
-- expires_at is the absolute end; before it a session ends when it was not used for a while, which seen_at tells to the minute.

-- +goose Up
CREATE TABLE console_sessions (
    id UUID PRIMARY KEY,
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    key_id UUID REFERENCES api_keys(id) ON DELETE CASCADE,
    operator_proof BYTEA CHECK (octet_length(operator_proof) = 32),
    token_hash BYTEA NOT NULL CONSTRAINT uq_console_sessions_token UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ck_console_sessions_owner CHECK ((key_id IS NULL) = (operator_proof IS NOT NULL) AND (key_id IS NOT NULL OR tenant_id IS NULL))
);
CREATE INDEX idx_console_sessions_key ON console_sessions(key_id, created_at DESC);
CREATE INDEX idx_console_sessions_expires ON console_sessions(expires_at);
CREATE INDEX idx_console_sessions_tenant ON console_sessions(tenant_id) WHERE tenant_id IS NOT NULL;

CREATE TABLE console_session_links (
    id UUID PRIMARY KEY,
    tenant_id UUID REFERENCES tenants(id) ON DELETE CASCADE,
    key_id UUID REFERENCES api_keys(id) ON DELETE CASCADE,
    operator_proof BYTEA CHECK (octet_length(operator_proof) = 32),
    token_hash BYTEA NOT NULL CONSTRAINT uq_console_session_links_token UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ck_console_session_links_owner CHECK ((key_id IS NULL) = (operator_proof IS NOT NULL) AND (key_id IS NOT NULL OR tenant_id IS NULL))
);
CREATE INDEX idx_console_session_links_key ON console_session_links(key_id, created_at DESC);
CREATE INDEX idx_console_session_links_expires ON console_session_links(expires_at);
CREATE INDEX idx_console_session_links_tenant ON console_session_links(tenant_id) WHERE tenant_id IS NOT NULL;

SELECT jsruntime_protect_tenant_tables();

-- +goose Down
DROP TABLE console_session_links;
DROP TABLE console_sessions;
