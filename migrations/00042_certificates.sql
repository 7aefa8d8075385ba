-- Certificates and the account key that the node got from a certificate authority, for all nodes. The data is encrypted with a key made
-- from the secret key.

-- +goose Up
CREATE TABLE certificates (
    name VARCHAR(300) PRIMARY KEY,
    data BYTEA NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);

-- +goose Down
DROP TABLE certificates;
