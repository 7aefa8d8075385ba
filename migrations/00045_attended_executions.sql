-- An execution for which a caller waits (HTTP, invoke, a run by hand with wait) is written down once it has run for a second, and again when it has
-- ended. The first of these rows is attended: its node renews the lease, and no node runs it again when that node is lost.

-- +goose Up
ALTER TABLE script_executions ADD COLUMN attended BOOLEAN NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE script_executions DROP COLUMN attended;
