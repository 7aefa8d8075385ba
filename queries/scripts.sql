-- For the catalog.

-- name: ScriptHead :one
-- Everything of a script but its source.
SELECT s.id, s.tenant_id, t.slug AS tenant_slug, s.organization_id, s.name, s.type, s.status, s.version, s.resource_limits,
       s.history, s.kv_namespaces, s.egress, s.quarantined_until, s.candidate_version, s.candidate_percent, s.candidate_deployment, t.plan
FROM scripts s JOIN tenants t ON t.id = s.tenant_id
WHERE s.id = @id AND s.tenant_id = @tenant_id;

-- name: ScriptIDByName :one
SELECT id FROM scripts WHERE tenant_id = @tenant_id AND name = @name;

-- name: ScriptIDsExisting :many
SELECT id FROM scripts WHERE id = ANY(@ids::uuid[]);

-- Admin API.

-- name: ScriptCreate :one
INSERT INTO scripts (id, tenant_id, organization_id, name, description, source, type, status, resource_limits, cron_expression, timezone,
    http_path, http_methods, event_types, metadata, history, http, retry, schedule, kv_namespaces, egress, breaker, tags, created_by, files, main)
VALUES (@id, @tenant_id, @organization_id, @name, sqlc.narg(description), @source, @type, @status, @resource_limits,
    sqlc.narg(cron_expression), @timezone, sqlc.narg(http_path), sqlc.narg(http_methods)::text[], sqlc.narg(event_types)::text[], @metadata, @history, @http, @retry, @schedule, @kv_namespaces, @egress, @breaker, @tags,
    sqlc.narg(created_by), sqlc.narg(files), @main)
RETURNING *;

-- name: ScriptGet :one
SELECT * FROM scripts WHERE tenant_id = @tenant_id AND id = @id;

-- name: ScriptGetByName :one
SELECT * FROM scripts WHERE tenant_id = @tenant_id AND name = @name;

-- Locks the script's row first and nothing before it: editors of one script follow one another, so that version numbers have
-- no gap and no duplicate and an If-Match is judged against the row that is then changed.
-- name: ScriptGetForUpdate :one
SELECT * FROM scripts WHERE tenant_id = @tenant_id AND id = @id FOR UPDATE;

-- One page, newest first: only what ordering and the page's size need. The rows themselves are read by ScriptGetMany.
-- name: ScriptPage :many
SELECT s.id, s.created_at::timestamptz AS created_at, (2000 + COALESCE(pg_column_size(s.metadata), 0) + CASE WHEN @whole::boolean THEN octet_length(s.source) + COALESCE(octet_length(s.files::text), 0) ELSE 0 END)::bigint AS bytes FROM scripts s
WHERE s.tenant_id = @tenant_id AND (s.created_at, s.id) < (@before_at::timestamptz, @before_id::uuid)
  AND (sqlc.narg(type)::text IS NULL OR s.type = sqlc.narg(type))
  AND (sqlc.narg(status)::text IS NULL OR s.status = sqlc.narg(status))
  AND (sqlc.narg(name)::text IS NULL OR s.name = sqlc.narg(name))
  AND (sqlc.narg(tag)::text IS NULL OR s.tags @> ARRAY[sqlc.narg(tag)::text])
  AND (sqlc.narg(search)::text IS NULL OR s.name ILIKE sqlc.narg(search) OR s.description ILIKE sqlc.narg(search))
  AND (cardinality(@failed_days::date[]) = 0 OR s.id IN (SELECT u.script_id FROM script_usage_daily u
      WHERE u.tenant_id = @tenant_id AND u.day = ANY(@failed_days::date[]) AND u.outcome NOT IN ('completed', 'cancelled')))
ORDER BY s.created_at DESC, s.id DESC LIMIT @row_limit;

-- How scripts did on some days, and the newest execution of each from an id on: for each script a few rows of primary keys, and one of an index.
-- name: ScriptActivity :many
SELECT s.id AS script_id, u.executions, u.failures, h.failing_since,
    COALESCE(e.id, '00000000-0000-0000-0000-000000000000')::uuid AS last_id, COALESCE(e.status, '')::text AS last_status,
    COALESCE(e.error_code, '')::text AS last_error_code, COALESCE(e.queued_at, 'epoch')::timestamptz AS last_at
FROM scripts s
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(d.executions), 0)::bigint AS executions,
        COALESCE(sum(d.executions) FILTER (WHERE d.outcome NOT IN ('completed', 'cancelled')), 0)::bigint AS failures
    FROM script_usage_daily d WHERE d.tenant_id = s.tenant_id AND d.day = ANY(@days::date[]) AND d.script_id = s.id
) u
LEFT JOIN script_health h ON h.script_id = s.id AND h.tenant_id = s.tenant_id
LEFT JOIN LATERAL (
    SELECT x.id, x.status, x.error_code, x.queued_at FROM script_executions x
    WHERE x.script_id = s.id AND x.tenant_id = s.tenant_id AND x.id >= @from_id::uuid ORDER BY x.id DESC LIMIT 1
) e ON true
WHERE s.tenant_id = @tenant_id AND s.id = ANY(@ids::uuid[]);

-- A source is read only where it is wanted: it is stored apart from its row.
-- name: ScriptGetMany :many
SELECT id, tenant_id, organization_id, name, description, (CASE WHEN @whole::boolean THEN source ELSE '' END)::text AS source, type, status, resource_limits,
    cron_expression, http_path, http_methods, event_types, metadata, tags, created_at, updated_at, created_by, version, latest_version,
    (CASE WHEN @whole::boolean THEN files END)::jsonb AS files, main, candidate_version, candidate_percent, candidate_deployment, revision, timezone,
    quarantined_until, quarantine_reason, history, http, breaker, retry, schedule, kv_namespaces, egress
FROM scripts WHERE tenant_id = @tenant_id AND id = ANY(@ids::uuid[]);

-- The row is locked by ScriptGetForUpdate in the same transaction.
-- name: ScriptUpdate :one
UPDATE scripts SET organization_id = @organization_id, name = @name, description = sqlc.narg(description), source = @source, status = @status,
    resource_limits = @resource_limits, cron_expression = sqlc.narg(cron_expression), timezone = @timezone, http_path = sqlc.narg(http_path),
    http_methods = sqlc.narg(http_methods)::text[], event_types = sqlc.narg(event_types)::text[], metadata = @metadata, history = @history, http = @http, retry = @retry, schedule = @schedule, kv_namespaces = @kv_namespaces, egress = @egress, breaker = @breaker, tags = @tags,
    files = sqlc.narg(files), main = @main, version = @version, latest_version = @latest_version, candidate_version = sqlc.narg(candidate_version),
    candidate_percent = sqlc.narg(candidate_percent), candidate_deployment = sqlc.narg(candidate_deployment), revision = revision + 1, updated_at = now()
WHERE tenant_id = @tenant_id AND id = @id
RETURNING *;

-- The row is locked by ScriptGetForUpdate in the same transaction.
-- name: ScriptVersionSaved :one
UPDATE scripts SET latest_version = latest_version + 1, revision = revision + 1
WHERE tenant_id = @tenant_id AND id = @id
RETURNING *;

-- Gives a share of a script's executions to a version, or takes it back. The row is locked by ScriptGetForUpdate in the same transaction.
-- name: ScriptRollout :one
UPDATE scripts SET candidate_version = sqlc.narg(candidate_version), candidate_percent = sqlc.narg(candidate_percent),
    candidate_deployment = sqlc.narg(candidate_deployment), revision = revision + 1, updated_at = now()
WHERE tenant_id = @tenant_id AND id = @id
RETURNING *;

-- Keeps a version that killed workers from being run, on any node. Another version may run.
-- name: ScriptQuarantine :execrows
UPDATE scripts SET quarantined_until = now() + make_interval(secs => @seconds::float8), quarantine_reason = @reason::text, revision = revision + 1
WHERE tenant_id = @tenant_id AND id = @id AND version = @version;

-- The row is locked by ScriptGetForUpdate in the same transaction.
-- name: ScriptRelease :one
UPDATE scripts SET quarantined_until = NULL, quarantine_reason = NULL, revision = revision + 1, updated_at = now()
WHERE tenant_id = @tenant_id AND id = @id
RETURNING *;

-- name: ScriptDelete :execrows
DELETE FROM scripts WHERE tenant_id = @tenant_id AND id = @id;

-- name: DatabaseNow :one
SELECT now()::timestamptz AS now;

-- One page of an export: as many scripts as have max_bytes of sources together, at least one. octet_length reads no source.
-- name: ScriptExport :many
SELECT s.*, o.name AS organization_name, COALESCE(u.email, '')::text AS created_by_email
FROM scripts s JOIN organizations o ON o.id = s.organization_id LEFT JOIN users u ON u.id = s.created_by
WHERE s.tenant_id = @tenant_id AND s.id IN (
    SELECT sized.id FROM (
        SELECT page.id, row_number() OVER (ORDER BY page.name) AS nth, sum(page.bytes) OVER (ORDER BY page.name) AS total FROM (
            SELECT n.id, n.name, octet_length(n.source) + COALESCE(octet_length(n.files::text), 0) AS bytes FROM scripts n
            WHERE n.tenant_id = @tenant_id AND n.name > @after_name ORDER BY n.name LIMIT @row_limit) page) sized
    WHERE sized.nth = 1 OR sized.total <= @max_bytes::bigint)
ORDER BY s.name;
-- Scheduler: what happens after an execution failed, or was lost.
-- name: ScriptRetryPolicies :many
SELECT s.id, s.retry,
    COALESCE((SELECT j.retry_lost FROM script_scheduled_jobs j WHERE j.script_id = s.id), false)::boolean AS retry_lost
FROM scripts s WHERE s.id = ANY(@ids::uuid[]);

-- How many scripts the tenant has, with its own bound; less than 0: its plan names none. A caller that adds scripts asks in the same transaction,
-- and waits for other callers of the tenant that do.
-- name: ScriptCount :one
SELECT (SELECT count(*) FROM scripts s WHERE s.tenant_id = t.id)::bigint AS scripts, COALESCE((t.plan->>'max_scripts')::numeric::bigint, -1)::bigint AS max_scripts
FROM tenants t, LATERAL (SELECT pg_advisory_xact_lock(hashtextextended('jsruntime_scripts ' || t.id::text, 0))) l
WHERE t.id = @tenant_id;

-- What is kept of the executions of scripts, of those that say so.
-- name: ScriptHistories :many
SELECT s.id, s.history FROM scripts s WHERE s.id = ANY(@ids::uuid[]) AND s.history <> '{}'::jsonb;
