-- What must hold in every database that a test leaves behind. One statement; each row is a violation: which invariant, which row.
SELECT 'an ended execution has an end' AS invariant, e.id::text AS row
FROM script_executions e
WHERE e.status IN ('completed', 'failed', 'timeout', 'cancelled') AND e.completed_at IS NULL
UNION ALL
SELECT 'an execution that has not ended is in the queue', e.id::text
FROM script_executions e
WHERE e.status IN ('pending', 'running') AND NOT EXISTS (
    SELECT FROM script_execution_queue q WHERE q.id = e.id AND (e.status = 'pending' OR q.lease_token IS NOT NULL))
UNION ALL
SELECT 'what is in the queue has not ended, and is the same execution', q.id::text
FROM script_execution_queue q
WHERE NOT EXISTS (
    SELECT FROM script_executions e
    WHERE e.id = q.id AND e.status IN ('pending', 'running') AND e.tenant_id = q.tenant_id AND e.script_id = q.script_id
      AND e.version = q.version AND e.trigger_type = q.trigger_type AND (e.attended = q.attended))
UNION ALL
SELECT 'a live lease of an execution belongs to a node', q.id::text
FROM script_execution_queue q
WHERE q.lease_expires_at > now() AND NOT EXISTS (SELECT FROM nodes n WHERE n.id = q.node_id)
UNION ALL
SELECT 'a live lease of a schedule belongs to a node', j.id::text
FROM script_scheduled_jobs j
WHERE j.lease_expires_at > now() AND NOT EXISTS (SELECT FROM nodes n WHERE n.id = j.node_id)
UNION ALL
SELECT 'an execution is of its script''s tenant', e.id::text
FROM script_executions e JOIN scripts s ON s.id = e.script_id
WHERE s.tenant_id <> e.tenant_id
UNION ALL
SELECT 'an execution ends after its start', e.id::text
FROM script_executions e
WHERE e.completed_at < e.started_at
UNION ALL
SELECT 'a log line is of its script''s tenant', l.execution_id::text || ' ' || l.seq::text
FROM script_execution_logs l JOIN scripts s ON s.id = l.script_id
WHERE s.tenant_id <> l.tenant_id
UNION ALL
SELECT 'a call is of its script''s tenant', c.execution_id::text || ' ' || c.seq::text
FROM script_execution_calls c JOIN scripts s ON s.id = c.script_id
WHERE s.tenant_id <> c.tenant_id
UNION ALL
SELECT 'a version is of its script''s tenant', v.id::text
FROM script_versions v JOIN scripts s ON s.id = v.script_id
WHERE s.tenant_id <> v.tenant_id
UNION ALL
SELECT 'no version is newer than its script says', v.id::text
FROM script_versions v JOIN scripts s ON s.id = v.script_id
WHERE v.version_number > s.latest_version
UNION ALL
SELECT 'a script''s versions are not newer than its newest', s.id::text
FROM scripts s WHERE s.version > s.latest_version OR s.candidate_version > s.latest_version OR s.candidate_version = s.version
UNION ALL
SELECT 'a script has what its live version has', v.id::text
FROM script_versions v JOIN scripts s ON s.id = v.script_id AND s.version = v.version_number
WHERE v.settings <> '{}' AND v.settings <> jsruntime_version_settings(s.id)
UNION ALL
SELECT 'a candidate is of an active deployment', s.id::text
FROM scripts s
WHERE (s.candidate_version IS NULL) <> (s.candidate_deployment IS NULL) OR (s.candidate_version IS NULL) <> (s.candidate_percent IS NULL)
   OR s.candidate_version IS NOT NULL AND NOT EXISTS (SELECT FROM script_deployments d
        WHERE d.id = s.candidate_deployment AND d.script_id = s.id AND d.version_number = s.candidate_version AND d.status = 'active')
UNION ALL
SELECT 'an endpoint is of its script''s tenant', p.id::text
FROM script_http_endpoints p JOIN scripts s ON s.id = p.script_id
WHERE s.tenant_id <> p.tenant_id
UNION ALL
SELECT 'a schedule is of its script''s tenant', j.id::text
FROM script_scheduled_jobs j JOIN scripts s ON s.id = j.script_id
WHERE s.tenant_id <> j.tenant_id
UNION ALL
SELECT 'a subscription is of its script''s tenant', u.id::text
FROM script_event_subscriptions u JOIN scripts s ON s.id = u.script_id
WHERE s.tenant_id <> u.tenant_id
UNION ALL
SELECT 'a script is of its organization''s tenant', s.id::text
FROM scripts s JOIN organizations o ON o.id = s.organization_id
WHERE s.tenant_id <> o.tenant_id
UNION ALL
SELECT 'a tick starts at most one first attempt', t.script_id::text || ' ' || t.scheduled_for::text
FROM script_schedule_ticks t
JOIN script_executions e ON e.script_id = t.script_id AND e.scheduled_for = t.scheduled_for AND e.attempt = 1 AND e.lost_count = 0
GROUP BY t.script_id, t.scheduled_for
HAVING count(*) > 1
UNION ALL
SELECT 'a tick is of its script''s tenant', t.script_id::text || ' ' || t.scheduled_for::text
FROM script_schedule_ticks t JOIN scripts s ON s.id = t.script_id
WHERE s.tenant_id <> t.tenant_id
UNION ALL
SELECT 'a dead letter is of its script''s tenant', d.id::text
FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
WHERE s.tenant_id <> d.tenant_id
UNION ALL
SELECT 'usage is never negative', u.script_id::text || ' ' || u.day::text
FROM script_usage_daily u
WHERE least(u.executions, u.cpu_ms, u.duration_ms, u.memory_byte_ms, u.egress_bytes, u.api_calls) < 0
UNION ALL
SELECT 'a host belongs to one tenant', h.host
FROM script_http_hosts h GROUP BY h.host HAVING count(DISTINCT h.tenant_id) > 1
UNION ALL
SELECT 'a host is one that its script names', h.host || ' ' || h.script_id
FROM script_http_hosts h JOIN scripts s ON s.id = h.script_id
WHERE s.tenant_id <> h.tenant_id OR NOT COALESCE(s.http->'hosts' ? h.host, false)
