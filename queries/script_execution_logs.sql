-- For the ledger.

-- name: ExecutionLogRecord :copyfrom
INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at)
VALUES (@execution_id, @seq, @tenant_id, @script_id, @level, @message, @at);

-- Admin API.

-- name: ExecutionLogList :many
SELECT seq, level, message, at FROM script_execution_logs
WHERE tenant_id = @tenant_id AND execution_id = @execution_id AND seq > @after_seq::integer ORDER BY seq LIMIT @row_limit;
