-- For the ledger.

-- name: ExecutionLogRecord :copyfrom
INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at)
VALUES (@execution_id, @seq, @tenant_id, @script_id, @level, @message, @at);
