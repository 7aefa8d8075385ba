-- Admin API.

-- name: SubscriptionUpsert :exec
INSERT INTO script_event_subscriptions (id, script_id, tenant_id, event_type, is_active)
VALUES (@id, @script_id, @tenant_id, @event_type, @is_active)
ON CONFLICT (script_id, event_type) DO UPDATE SET is_active = EXCLUDED.is_active
WHERE script_event_subscriptions.is_active IS DISTINCT FROM EXCLUDED.is_active;

-- name: SubscriptionDeleteOthers :exec
DELETE FROM script_event_subscriptions
WHERE tenant_id = @tenant_id AND script_id = @script_id AND event_type <> ALL(@event_types::text[]);

-- name: SubscriptionList :many
SELECT e.*, s.name AS script_name FROM script_event_subscriptions e JOIN scripts s ON s.id = e.script_id
WHERE e.tenant_id = @tenant_id AND (e.created_at, e.id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY e.created_at DESC, e.id DESC LIMIT @row_limit;
