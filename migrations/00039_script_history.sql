-- What is kept of a script's executions: {"store", "sample", "bodies", "redact"}. An empty object keeps everything.

-- +goose Up
ALTER TABLE scripts ADD COLUMN history JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_history CHECK (jsonb_typeof(history) = 'object');

-- +goose Down
ALTER TABLE scripts DROP COLUMN history;
