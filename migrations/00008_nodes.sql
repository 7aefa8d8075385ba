-- Nodes, what they tell each other, and what they keep for all.

-- +goose Up

-- A node is alive while heartbeat_at is recent; shares of limits are counted over the live ones. A node that can
-- start no worker claims nothing: its share of limits is the others'.
CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    hostname VARCHAR(255) NOT NULL,
    version VARCHAR(100) NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    heartbeat_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    draining BOOLEAN NOT NULL DEFAULT false,
    load JSONB NOT NULL DEFAULT '{}'::jsonb,
    can_run BOOLEAN NOT NULL DEFAULT true
);
CREATE INDEX idx_nodes_heartbeat ON nodes(heartbeat_at);

-- What a node keeps in memory, and how it learns that it is no longer true.
--
-- Every change is written down in jsruntime_changes by the transaction that makes it. A node reads what it has not seen yet:
-- at once when a notification on channel jsruntime_changed says so, and every few seconds in any case. So a notification is a
-- wake-up and nothing else; one that is lost, or never comes because a pooler stands between, costs seconds and no correctness.
--
-- Ids cannot order the reading: a transaction that took a lower id may commit later. A reader therefore remembers the oldest
-- transaction that was still running when it last read (pg_snapshot_xmin), and reads again from there; what it sees twice it
-- reloads twice.
CREATE TABLE jsruntime_changes (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    txid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name VARCHAR(63) NOT NULL,
    tenant_id UUID,
    script_id UUID,
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_changes_txid ON jsruntime_changes(txid);
CREATE INDEX idx_changes_at ON jsruntime_changes(at);

-- Rows that change with every execution (executions, ticks, logs) are not announced: a NOTIFY in each commit more than halves the rate of
-- inserts. The function runs as its owner: the role of a tenant's requests may change a script, and may not touch this table.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_notify_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    changed JSONB := to_jsonb(COALESCE(NEW, OLD));
    tenant UUID := CASE WHEN TG_TABLE_NAME = 'tenants' THEN changed->>'id' ELSE changed->>'tenant_id' END;
    script UUID := CASE WHEN TG_TABLE_NAME = 'scripts' THEN changed->>'id' ELSE changed->>'script_id' END;
BEGIN
    INSERT INTO jsruntime_changes (table_name, tenant_id, script_id) VALUES (TG_TABLE_NAME, tenant, script);
    PERFORM pg_notify('jsruntime_changed', TG_TABLE_NAME || ' ' || COALESCE(tenant::text, '-') || ' ' || COALESCE(script::text, '-'));
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_tenants_changed AFTER INSERT OR UPDATE OR DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_scripts_changed AFTER INSERT OR UPDATE OR DELETE ON scripts FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_endpoints_changed AFTER INSERT OR UPDATE OR DELETE ON script_http_endpoints FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
-- Encrypting a secret with another key (rekey) writes nonce and ciphertext alone: scripts see no change.
CREATE TRIGGER tr_secrets_changed AFTER INSERT OR DELETE OR UPDATE OF name, scripts, hosts, placeholder, updated_at ON script_secrets
    FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_vars_changed AFTER INSERT OR UPDATE OR DELETE ON script_vars FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_api_keys_changed AFTER UPDATE OF role, scopes, expires_at OR DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();
CREATE TRIGGER tr_jobs_changed AFTER INSERT OR DELETE OR UPDATE OF cron_expression, timezone, is_active, overlap_policy, missed_policy
    ON script_scheduled_jobs FOR EACH ROW EXECUTE FUNCTION jsruntime_notify_changed();

-- Secret keys that all nodes of a database share: random, made by the first node that needs one.
CREATE TABLE service_keys (
    name VARCHAR(63) PRIMARY KEY,
    value BYTEA NOT NULL CHECK (octet_length(value) >= 32),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);

-- Certificates and the account key that the node got from a certificate authority, for all nodes. The data is encrypted with a key made
-- from the secret key.
CREATE TABLE certificates (
    name VARCHAR(300) PRIMARY KEY,
    data BYTEA NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);

-- Sessions of the console, and the one-time links that begin one.
--
-- Of a token only its SHA-256 is stored. Whose session it is: key_id names a key of the table api_keys, with which the session ends;
-- operator_proof stands for a key that is in the nodes' environment only. It is an HMAC of the token's hash under that key, so that a
-- session of the operator ends when the key is taken out of use, and a row that is written to the database by hand is none.
-- expires_at is the absolute end; before it a session ends when it was not used for a while, which seen_at tells to the minute.
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

-- +goose Down
DROP TABLE console_session_links;
DROP TABLE console_sessions;
DROP TABLE certificates;
DROP TABLE service_keys;
DROP TRIGGER tr_jobs_changed ON script_scheduled_jobs;
DROP TRIGGER tr_api_keys_changed ON api_keys;
DROP TRIGGER tr_vars_changed ON script_vars;
DROP TRIGGER tr_secrets_changed ON script_secrets;
DROP TRIGGER tr_endpoints_changed ON script_http_endpoints;
DROP TRIGGER tr_scripts_changed ON scripts;
DROP TRIGGER tr_tenants_changed ON tenants;
DROP FUNCTION jsruntime_notify_changed();
DROP TABLE jsruntime_changes;
DROP TABLE nodes;
