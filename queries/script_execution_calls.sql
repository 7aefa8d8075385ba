-- For the ledger and the scheduler.

-- name: ExecutionCallRecord :copyfrom
INSERT INTO script_execution_calls (execution_id, seq, tenant_id, script_id, kind, operation, target, status, started_at, duration_us, request_bytes,
    response_bytes, error, error_code, bodies)
VALUES (@execution_id, @seq, @tenant_id, @script_id, @kind, @operation, @target, @status, @started_at, @duration_us, @request_bytes,
    @response_bytes, @error, @error_code, @bodies);

-- Admin API.

-- name: ExecutionCallList :many
SELECT seq, kind, operation, target, status, started_at, duration_us, request_bytes, response_bytes, error, error_code
FROM script_execution_calls
WHERE tenant_id = @tenant_id AND execution_id = @execution_id AND seq > @after_seq::integer ORDER BY seq LIMIT @row_limit;

-- Scheduler: retention, as that of logs, where it is shorter than that of their executions.
-- name: ExecutionCallPrune :execrows
DELETE FROM script_execution_calls c WHERE (c.execution_id, c.seq) IN (
    SELECT o.execution_id, o.seq FROM scripts p
    JOIN LATERAL (SELECT x.execution_id, x.seq FROM script_execution_calls x
        WHERE x.script_id = p.id AND x.started_at < now() - make_interval(secs => @retention_seconds::float8)
        ORDER BY x.started_at LIMIT @row_limit) o ON true
    WHERE p.tenant_id = @tenant_id LIMIT @row_limit
);
