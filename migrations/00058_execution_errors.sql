-- Lists of executions by error_code. Executions that completed have none: the index costs nothing where one completes.

-- +goose Up
CREATE INDEX idx_executions_tenant_error ON script_executions(tenant_id, error_code, queued_at DESC, id DESC) WHERE error_code IS NOT NULL;

-- +goose Down
DROP INDEX idx_executions_tenant_error;
