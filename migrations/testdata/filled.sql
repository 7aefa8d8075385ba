-- Rows for TestEveryQueryHasItsIndex: as many of each table that grows as let a planner tell an index from a walk through the table.
SET session_replication_role = replica;
INSERT INTO tenants (id, slug, name) SELECT lpad(to_hex(t), 32, '0')::uuid, 'tenant-' || t, 't' FROM generate_series(1, 1000) t;
INSERT INTO organizations (id, tenant_id, name, is_default) SELECT id, id, 'o', true FROM tenants;
INSERT INTO users (tenant_id, organization_id, email, name, role) SELECT id, id, 'a@example.com', 'a', 'admin' FROM tenants;
INSERT INTO api_keys (tenant_id, name, role, prefix, key_hash, user_id, created_at)
    SELECT lpad(to_hex(1 + k % 1000), 32, '0')::uuid, 'k', 'admin', 'p' || k, sha256(k::text::bytea), 1 + k % 1000, now() - k * interval '1 minute' FROM generate_series(1, 3000) k;
INSERT INTO scripts (id, tenant_id, organization_id, name, source, type, status, cron_expression, http_path, tags, event_types, created_at, version, latest_version, created_by)
    SELECT lpad(to_hex(s), 32, '0')::uuid, lpad(to_hex(CASE WHEN s > 5000 THEN 1 ELSE 1 + s % 1000 END), 32, '0')::uuid, lpad(to_hex(CASE WHEN s > 5000 THEN 1 ELSE 1 + s % 1000 END), 32, '0')::uuid, 'script ' || s, 'export default {}',
        (ARRAY['scheduled', 'http', 'event', 'oneoff', 'embedded'])[1 + s % 5], (ARRAY['draft', 'active', 'paused'])[1 + s % 3], '* * * * *', '/' || s,
        ARRAY['tag' || s], ARRAY['event.' || s], now() - s * interval '1 minute', 2, 2, CASE WHEN s % 10 = 0 THEN 1 + s % 1000 END
    FROM generate_series(1, 8000) s;
INSERT INTO script_versions (script_id, tenant_id, version_number, source, created_by)
    SELECT id, tenant_id, v, source, created_by FROM scripts, generate_series(1, 2) v;
INSERT INTO script_deployments (id, script_id, tenant_id, version_number, percent, status, created_at, created_by)
    SELECT gen_random_uuid(), script_id, tenant_id, version_number, 100, CASE version_number WHEN 2 THEN 'active' ELSE 'superseded' END, now() - version_number * interval '1 hour', created_by
    FROM script_versions;
INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type, created_at) SELECT id, tenant_id, 'event.' || name, created_at FROM scripts;
INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods, created_at) SELECT id, tenant_id, http_path, '{GET}', created_at FROM scripts;
INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, next_run_at, is_active, is_running, lease_token, lease_expires_at, node_id, created_at)
    SELECT id, tenant_id, '* * * * *', CASE WHEN n % 100 <> 0 THEN now() + n * interval '1 minute' END, true, n % 500 = 0,
        CASE WHEN n % 500 = 0 THEN id END, CASE WHEN n % 500 = 0 THEN now() + interval '1 minute' END, CASE WHEN n % 500 = 0 THEN tenant_id END, created_at
    FROM (SELECT s.*, row_number() OVER () AS n FROM scripts s) s;
INSERT INTO script_schedule_ticks (script_id, tenant_id, scheduled_for, outcome, decided_at)
    SELECT id, tenant_id, now() - i * interval '1 hour', 'started', now() - i * interval '1 hour' FROM scripts, generate_series(1, 2) i;
INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, error_code, event_id, queued_at, run_at, started_at, completed_at, trigger_data, input)
    SELECT CASE WHEN e % 20 = 0 THEN gen_random_uuid() ELSE (substr(jsruntime_id_floor(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid END,
        lpad(to_hex(1 + e % 5000), 32, '0')::uuid, lpad(to_hex(1 + (1 + e % 5000) % 1000), 32, '0')::uuid,
        CASE WHEN e % 50 = 0 THEN 'failed' ELSE 'completed' END, (ARRAY['http', 'http', 'http', 'http', 'http', 'http', 'api', 'event', 'cron', 'manual'])[1 + e / 7 % 10],
        CASE WHEN e % 50 = 0 THEN 'exception' END, CASE WHEN e % 5 = 0 THEN 'event-' || e / 10 END, at, at, at, at, '{"path": "/"}', '{}'
    FROM (SELECT e, now() - e * interval '8 seconds' AS at FROM generate_series(1, 30000) e) e;
INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at)
    SELECT id, 0, tenant_id, script_id, 'info', 'x', queued_at FROM script_executions;
INSERT INTO script_execution_calls (execution_id, seq, tenant_id, script_id, kind, operation, target, started_at, duration_us, request_bytes, response_bytes)
    SELECT id, 0, tenant_id, script_id, 'kv', 'get', 'x', queued_at, 1, 1, 1 FROM script_executions;
INSERT INTO script_comparisons (id, tenant_id, script_id, version_number, status, options, node_id, lease_expires_at, created_at)
    SELECT gen_random_uuid(), s.tenant_id, s.id, 1, 'completed', '{}', s.id, NULL, now() - n * interval '1 minute' FROM scripts s, generate_series(1, 2) n;
INSERT INTO script_events (tenant_id, id, type, data, published_at)
    SELECT lpad(to_hex(1 + v % 1000), 32, '0')::uuid, 'event-' || v, 'x', '1', now() - v * interval '1 minute' FROM generate_series(1, 10000) v;
INSERT INTO script_event_dead_letters (script_id, tenant_id, execution_id, event_type, event_data, error, created_at)
    SELECT script_id, tenant_id, id, 'x', '1', 'e', queued_at FROM script_executions WHERE random() < 0.2;
INSERT INTO script_kv (tenant_id, key, value, size_bytes, expires_at)
    SELECT lpad(to_hex(1 + k % 1000), 32, '0')::uuid, 'key-' || k, '1', 1, CASE WHEN k % 5 = 0 THEN now() + k * interval '1 minute' END FROM generate_series(1, 10000) k;
INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext) SELECT id, 'S', '', '' FROM tenants;
INSERT INTO script_vars (tenant_id, name, value) SELECT id, 'V', 'v' FROM tenants;
INSERT INTO idempotency_keys (scope, key, route, fingerprint, created_at)
    SELECT lpad(to_hex(1 + k % 1000), 32, '0')::uuid::text, 'key-' || k, 'r', '', now() - k * interval '10 seconds' FROM generate_series(1, 5000) k;
INSERT INTO audit_log (id, tenant_id, actor_name, actor_role, action, object_type, object_id, created_at)
    SELECT gen_random_uuid(), lpad(to_hex(1 + a % 10), 32, '0')::uuid, 'a', 'admin', 'x', 'y', 'z' || a, now() - a * interval '1 minute' FROM generate_series(1, 10000) a;
INSERT INTO script_usage_daily (tenant_id, script_id, day, outcome) SELECT tenant_id, id, current_date - d, 'completed' FROM scripts, generate_series(1, 4) d;
INSERT INTO webhooks (id, tenant_id, url, events, nonce, ciphertext, created_at)
    SELECT gen_random_uuid(), lpad(to_hex(1 + w % 1000), 32, '0')::uuid, 'https://example.org', '{script.failing}', '', '', now() - w * interval '1 minute' FROM generate_series(1, 3000) w;
INSERT INTO webhooks (id, url, events, nonce, ciphertext) SELECT gen_random_uuid(), 'https://example.org', '{script.failing}', '', '' FROM generate_series(1, 10) w;
INSERT INTO webhook_deliveries (webhook_id, tenant_id, event, payload, status, run_at, created_at)
    SELECT w.id, w.tenant_id, 'script.failing', '{}', CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'delivered' END, now() - n * interval '1 hour', now() - n * interval '1 hour' FROM webhooks w, generate_series(1, 10) n;
INSERT INTO script_health (script_id, tenant_id, failures, completed_day, completed, failing_since, opening)
    SELECT id, tenant_id, 1, current_date, 1, CASE WHEN n % 100 = 0 THEN now() END, n % 1000 = 0 FROM (SELECT s.*, row_number() OVER () AS n FROM scripts s) s;
INSERT INTO script_refusals (tenant_id, script_id, minute, code, refused) SELECT tenant_id, id, now() - m * interval '1 hour', 'overloaded', 1 FROM scripts, generate_series(1, 2) m;
INSERT INTO script_signed_requests (tenant_id, script_id, id, expires_at) SELECT tenant_id, id, sha256(convert_to(n::text, 'UTF8')), now() - n * interval '1 minute' FROM scripts, generate_series(1, 4) n;
INSERT INTO script_http_answers (tenant_id, script_id, id, fingerprint, execution_id, taken, status, expires_at)
    SELECT tenant_id, id, sha256(convert_to(n::text, 'UTF8')), sha256(''), id, id, 200, now() - n * interval '1 minute' FROM scripts, generate_series(1, 4) n;
UPDATE scripts SET http = jsonb_build_object('hosts', jsonb_build_array(id || '.example.com'));
INSERT INTO script_http_hosts (host, script_id, tenant_id) SELECT id || '.example.com', id, tenant_id FROM scripts;
INSERT INTO tenant_storage (tenant_id, table_name, bytes, counted_at) SELECT id, t, 1, now() FROM tenants, unnest(ARRAY['script_executions', 'script_execution_logs', 'scripts']) t;
INSERT INTO jsruntime_changes (table_name, tenant_id, at, txid) SELECT 'scripts', id, now() - n * interval '1 second', (n * 10)::text::xid8 FROM (SELECT s.id, row_number() OVER () AS n FROM scripts s) s;
INSERT INTO console_sessions (id, tenant_id, key_id, token_hash, expires_at) SELECT id, tenant_id, id, key_hash, now() + interval '1 hour' FROM api_keys;
INSERT INTO console_session_links (id, tenant_id, key_id, token_hash, expires_at) SELECT id, tenant_id, id, key_hash, now() + interval '1 hour' FROM api_keys;
INSERT INTO nodes (id, hostname, version, heartbeat_at) SELECT id, 'h', 'v', now() - row_number() OVER () * interval '1 minute' FROM tenants;
RESET session_replication_role;
ANALYZE;
