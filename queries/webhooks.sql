-- Operational webhooks: see migrations/00007_tenants_data.sql. owner is the tenant, or null for the operator's.

-- name: WebhookCreate :one
INSERT INTO webhooks (id, tenant_id, url, events, nonce, ciphertext) VALUES (@id, sqlc.narg(owner), @url, @events::text[], @nonce, @ciphertext) RETURNING *;

-- Webhooks of one owner are made one after another until the transaction ends, so that no two requests together make more than the limit.
-- name: WebhookLock :exec
SELECT pg_advisory_xact_lock(hashtextextended('jsruntime.webhooks ' || COALESCE(sqlc.narg(owner)::uuid::text, ''), 0));

-- name: WebhookCount :one
SELECT count(*) FROM webhooks w WHERE w.tenant_id = sqlc.narg(owner)::uuid OR (w.tenant_id IS NULL AND sqlc.narg(owner)::uuid IS NULL);

-- name: WebhookList :many
SELECT * FROM webhooks w WHERE w.tenant_id = @tenant_id::uuid AND (w.created_at, w.id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY w.created_at DESC, w.id DESC LIMIT @row_limit;

-- name: WebhookListOperators :many
SELECT * FROM webhooks w WHERE w.tenant_id IS NULL AND (w.created_at, w.id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY w.created_at DESC, w.id DESC LIMIT @row_limit;

-- name: WebhookGet :one
SELECT * FROM webhooks w WHERE w.id = @id AND w.tenant_id IS NOT DISTINCT FROM sqlc.narg(owner)::uuid;

-- name: WebhookDelete :execrows
DELETE FROM webhooks w WHERE w.id = @id AND w.tenant_id IS NOT DISTINCT FROM sqlc.narg(owner)::uuid;

-- name: WebhookWaitingCount :one
SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.webhook_id = @webhook_id AND d.status = 'pending' LIMIT 1000) waiting;

-- Queues one event for one webhook.
-- name: WebhookTest :one
INSERT INTO webhook_deliveries (webhook_id, tenant_id, event, payload) VALUES (@webhook_id, sqlc.narg(owner), @event, @payload) RETURNING *;

-- name: WebhookDeliveryList :many
SELECT * FROM webhook_deliveries d WHERE d.webhook_id = @webhook_id AND (d.created_at, d.id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY d.created_at DESC, d.id DESC LIMIT @row_limit;

-- Queues deliveries that failed for good once more, the newest first, and enables the webhook.
-- name: WebhookRedrive :one
WITH enabled AS (UPDATE webhooks w SET disabled_at = NULL WHERE w.id = @webhook_id), again AS (
    UPDATE webhook_deliveries d SET status = 'pending', attempts = 0, run_at = now(), error = NULL, response_status = NULL
    WHERE d.id IN (SELECT o.id FROM webhook_deliveries o WHERE o.webhook_id = @webhook_id AND o.status = 'failed' ORDER BY o.created_at DESC, o.id DESC LIMIT @row_limit)
      AND d.status = 'failed' RETURNING d.id
) SELECT count(*) FROM again;

-- Queues one delivery once more that has ended, or waits for its next attempt, and enables the webhook. One that is under way is left alone.
-- name: WebhookDeliveryRedrive :one
WITH enabled AS (UPDATE webhooks w SET disabled_at = NULL WHERE w.id = @webhook_id)
UPDATE webhook_deliveries d SET status = 'pending', attempts = 0, run_at = now(), error = NULL, response_status = NULL, lease_token = NULL, lease_expires_at = NULL
WHERE d.webhook_id = @webhook_id AND d.id = @id AND (d.lease_expires_at IS NULL OR d.lease_expires_at < now()) RETURNING *;

-- name: WebhookDeliveryGet :one
SELECT * FROM webhook_deliveries d WHERE d.webhook_id = @webhook_id AND d.id = @id;

-- For dispatchers.

-- Webhooks with deliveries that wait, in the order of their ids after the cursor. It steps from webhook to webhook by the index, and does not read
-- what all wait for.
-- name: WebhookWaiting :many
WITH RECURSIVE waiting AS (
    (SELECT d.webhook_id, 1 AS n FROM webhook_deliveries d WHERE d.status = 'pending' AND d.webhook_id > @after ORDER BY d.webhook_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.webhook_id FROM webhook_deliveries d WHERE d.status = 'pending' AND d.webhook_id > waiting.webhook_id ORDER BY d.webhook_id LIMIT 1), waiting.n + 1
    FROM waiting WHERE waiting.webhook_id IS NOT NULL AND waiting.n < @look_at::integer
) SELECT waiting.webhook_id::uuid AS webhook_id FROM waiting WHERE waiting.webhook_id IS NOT NULL ORDER BY waiting.webhook_id;

-- Takes due deliveries of these webhooks under a lease, at most each_webhook of one and each_owner of one owner's webhooks, so that receivers that hang
-- hold up only their owner's. Webhooks and owners of which enough are under way here are left out. Locks what it takes; rows that another node is at
-- are passed over.
-- name: WebhookClaim :many
UPDATE webhook_deliveries d SET lease_token = @lease_token, lease_expires_at = now() + make_interval(secs => @lease_seconds::float8), attempts = d.attempts + 1
FROM webhooks w LEFT JOIN tenants t ON t.id = w.tenant_id
WHERE w.id = d.webhook_id AND d.id IN (
    SELECT o.id FROM webhook_deliveries o
    WHERE o.id IN (
        SELECT due.id FROM (
            SELECT n.id, n.run_at, row_number() OVER (PARTITION BY n.tenant_id ORDER BY n.run_at) AS of_owner
            FROM unnest(@webhooks::uuid[]) waiting(webhook_id) CROSS JOIN LATERAL (
                SELECT p.id, p.tenant_id, p.run_at FROM webhook_deliveries p
                WHERE p.webhook_id = waiting.webhook_id AND p.status = 'pending' AND p.run_at <= now() AND (p.lease_expires_at IS NULL OR p.lease_expires_at < now())
                ORDER BY p.run_at LIMIT @each_webhook::integer
            ) n
            WHERE NOT COALESCE(n.tenant_id, '00000000-0000-0000-0000-000000000000') = ANY(@busy_owners::uuid[])
        ) due WHERE due.of_owner <= @each_owner::integer ORDER BY due.run_at LIMIT @row_limit
    ) AND o.status = 'pending' AND (o.lease_expires_at IS NULL OR o.lease_expires_at < now())
    FOR UPDATE SKIP LOCKED
)
RETURNING d.id, d.webhook_id, d.event, d.payload, d.attempts, w.tenant_id, w.url, w.nonce, w.ciphertext, (w.disabled_at IS NOT NULL)::boolean AS disabled, (t.plan->'egress')::jsonb AS egress;

-- Ends an attempt, where its lease is still ours.
-- name: WebhookFinish :execrows
WITH gone AS (UPDATE webhooks w SET disabled_at = now() WHERE w.id = @webhook_id AND @disable::boolean AND w.disabled_at IS NULL)
UPDATE webhook_deliveries d SET lease_token = NULL, lease_expires_at = NULL, status = @status, response_status = NULLIF(@response_status::integer, 0), error = NULLIF(@error::text, ''),
    run_at = now() + make_interval(secs => GREATEST(@delay_seconds::float8, 0))
WHERE d.id = @id AND d.lease_token = @lease_token;

-- Deliveries that have ended go after 30 days.
-- name: WebhookPrune :execrows
DELETE FROM webhook_deliveries d WHERE d.id IN (
    SELECT o.id FROM webhook_deliveries o WHERE o.created_at < now() - interval '30 days' AND o.status <> 'pending' ORDER BY o.created_at LIMIT @row_limit FOR UPDATE SKIP LOCKED);

-- Of a webhook with more deliveries than keep, the older ones that have ended go. Webhooks are looked at in the order of their ids after the cursor.
-- name: WebhookPruneMany :one
WITH looked AS (
    SELECT w.id FROM webhooks w WHERE w.id > @after ORDER BY w.id LIMIT @look_at
), bounds AS (
    SELECT looked.id, o.created_at FROM looked CROSS JOIN LATERAL (
        SELECT d.created_at FROM webhook_deliveries d WHERE d.webhook_id = looked.id ORDER BY d.created_at DESC, d.id DESC OFFSET @keep::integer LIMIT 1
    ) o
), gone AS (
    DELETE FROM webhook_deliveries d USING bounds WHERE d.webhook_id = bounds.id AND d.created_at <= bounds.created_at AND d.status <> 'pending' RETURNING d.id
)
SELECT (SELECT count(*) FROM gone) AS deleted, COALESCE((SELECT looked.id FROM looked ORDER BY looked.id DESC LIMIT 1), '00000000-0000-0000-0000-000000000000')::uuid AS last;

-- name: BreakersOpen :one
SELECT jsruntime_open_breakers()::integer;

-- name: ScriptsRecover :one
SELECT COALESCE(jsruntime_recover_scripts(@after, @look_at::integer), '00000000-0000-0000-0000-000000000000')::uuid AS last;

-- For ledger and scheduler.

-- Counts failures of scripts in a row: see jsruntime_script_failures.
-- name: ScriptFailures :exec
SELECT jsruntime_script_failures(@script_ids::uuid[], @versions::integer[], @failures::bigint[], @codes::text[]);
