-- For the ledger.

-- name: ExecutionLogRecord :copyfrom
INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at)
VALUES (@execution_id, @seq, @tenant_id, @script_id, @level, @message, @at);

-- Admin API.

-- name: ExecutionLogList :many
SELECT seq, level, message, at FROM script_execution_logs
WHERE tenant_id = @tenant_id AND execution_id = @execution_id AND seq > @after_seq::integer ORDER BY seq LIMIT @row_limit;

-- Scheduler: retention of logs where it is shorter than that of their executions.
-- name: ExecutionLogPrune :execrows
DELETE FROM script_execution_logs l WHERE (l.execution_id, l.seq) IN (
    SELECT o.execution_id, o.seq FROM scripts p
    JOIN LATERAL (SELECT x.execution_id, x.seq FROM script_execution_logs x WHERE x.script_id = p.id AND x.at < now() - make_interval(secs => @retention_seconds::float8)
        ORDER BY x.at LIMIT @row_limit) o ON true
    WHERE p.tenant_id = @tenant_id LIMIT @row_limit
);
