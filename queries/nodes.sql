-- Admin API.

-- name: NodeList :many
SELECT *, (heartbeat_at > now() - interval '15 seconds')::boolean AS alive FROM nodes ORDER BY heartbeat_at DESC, id LIMIT @row_limit;
