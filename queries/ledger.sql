-- For the ledger: what surrounds the COPY of a batch (ExecutionRecord, ExecutionLogRecord, UsageAdd).

-- Until the end of the transaction: bounds each statement, a COPY whose rows do not come among them, and has plans made once. With the lengths
-- of the arrays before it, Postgres finds each plan cheaper than the one that it has, and makes one for each batch, which costs more than running it.
-- name: LedgerBegin :exec
SELECT set_config('statement_timeout', @milliseconds::text, true), set_config('plan_cache_mode', 'force_generic_plan', true);

-- Checks the foreign keys of a batch, and locks what they name as the keys' own triggers do (FOR KEY SHARE, scripts first, in the order
-- of their ids); then the triggers are off until the end of the transaction. A script or tenant that is gone is the triggers' error, 23503.
-- A session that deletes a script or tenant is waited for, and waits for the batch. With the triggers our own row triggers are off too:
-- the batch's rows have what these would give them.
-- name: LedgerHoldParents :exec
SELECT jsruntime_hold_parents(@script_ids::uuid[], @tenant_ids::uuid[]), set_config('session_replication_role', 'replica', true);
