-- What an author says of a script's endpoint, retries and schedule: {"auth", "cors"}, {"max_attempts", "backoff_ms", "max_backoff_ms", "jitter"}
-- and {"overlap", "missed", "missed_window_seconds", "jitter_seconds", "retry_lost"}. What is not there has its default. metadata is free.

-- +goose Up
ALTER TABLE scripts
    ADD COLUMN http JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_http CHECK (jsonb_typeof(http) = 'object'),
    ADD COLUMN retry JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_retry CHECK (jsonb_typeof(retry) = 'object'),
    ADD COLUMN schedule JSONB NOT NULL DEFAULT '{}'::jsonb CONSTRAINT ck_scripts_schedule CHECK (jsonb_typeof(schedule) = 'object');

-- +goose Down
ALTER TABLE scripts DROP COLUMN http, DROP COLUMN retry, DROP COLUMN schedule;
