-- A kv value comes back as the script wrote it: jsonb reorders members and refuses \u0000, lone surrogates and deep nesting.
-- The text is what JSON.stringify gave, so it never holds a NUL itself.

-- +goose Up
ALTER TABLE script_kv ALTER COLUMN value TYPE TEXT USING value::text;
ALTER TABLE script_kv ADD CONSTRAINT ck_script_kv_size CHECK (size_bytes >= 0);

-- +goose Down
ALTER TABLE script_kv DROP CONSTRAINT ck_script_kv_size;
ALTER TABLE script_kv ALTER COLUMN value TYPE JSONB USING value::jsonb;
