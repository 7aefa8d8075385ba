-- Which node answers the request that took a key, and which taking of it this is: the key of a dead node is free at once instead of
-- after five minutes, and whoever was taken for dead finds that the key is not its own any more. NULL is a node of the version
-- before.

-- +goose Up
ALTER TABLE idempotency_keys ADD COLUMN node_id UUID, ADD COLUMN taken UUID;

-- +goose Down
ALTER TABLE idempotency_keys DROP COLUMN node_id, DROP COLUMN taken;
