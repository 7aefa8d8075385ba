-- Secret keys that all nodes of a database share: random, made by the first node that needs one.

-- +goose Up
CREATE TABLE service_keys (
    name VARCHAR(63) PRIMARY KEY,
    value BYTEA NOT NULL CHECK (octet_length(value) >= 32),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);

-- +goose Down
DROP TABLE service_keys;
