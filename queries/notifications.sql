-- NotifySend sends a notification; it reaches the listeners when the caller's transaction commits. payload is under 8000 bytes.
-- name: NotifySend :exec
SELECT pg_notify(@channel::text, @payload::text);
