-- Keys of the service itself.

-- Keeps the value that is offered, unless there is one, and returns the value that is kept. Nodes that start together agree: the update
-- that changes nothing waits for the other's insert and returns its value.
-- name: ServiceKeyKeep :one
INSERT INTO service_keys AS k (name, value) VALUES (@name, @value)
ON CONFLICT (name) DO UPDATE SET value = k.value RETURNING value;
