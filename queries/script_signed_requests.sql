-- For the gateway: each signed request is admitted once. No row is locked for longer than its statement.

-- Takes an id for a script, unless it is taken; of two nodes that try at the same moment one waits for the other's statement and finds it taken.
-- An id whose time is over is free. No row: it is taken, or the script is gone.
-- name: SignedRequestClaim :execrows
INSERT INTO script_signed_requests AS r (tenant_id, script_id, id, expires_at)
SELECT s.tenant_id, s.id, @id::bytea, now() + make_interval(secs => @hold_seconds::float8)
FROM scripts s WHERE s.id = @script_id AND s.tenant_id = @tenant_id
ON CONFLICT (script_id, id) DO UPDATE SET expires_at = EXCLUDED.expires_at WHERE r.expires_at <= now();

-- Gives an id back.
-- name: SignedRequestReturn :exec
DELETE FROM script_signed_requests WHERE tenant_id = @tenant_id AND script_id = @script_id AND id = @id;

-- Scheduler: ids whose time is over.
-- name: SignedRequestPrune :execrows
DELETE FROM script_signed_requests r WHERE r.ctid = ANY (ARRAY(
    SELECT o.ctid FROM script_signed_requests o WHERE o.expires_at <= now() ORDER BY o.expires_at LIMIT @row_limit
));
