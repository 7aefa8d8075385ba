-- +goose Up

-- Requests that were refused before anything ran, by script, reason and minute: they have no execution. Nodes add to these rows in one statement
-- every second. refused counts those of one minute.
CREATE TABLE script_refusals (
    tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    script_id UUID NOT NULL REFERENCES scripts(id) ON DELETE CASCADE,
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    code VARCHAR(50) NOT NULL,
    refused BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, minute, script_id, code)
) WITH (fillfactor = 50);
CREATE INDEX idx_refusals_script ON script_refusals(script_id);
CREATE INDEX idx_refusals_minute ON script_refusals(minute);

SELECT jsruntime_protect_tenant_tables();

-- +goose Down
DROP TABLE script_refusals;
