package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

func readFile(name string) ([]byte, error) { return os.ReadFile(name) }

// nasty are values that no field expects, as JSON text.
func nasty() map[string]string {
	long := strings.Repeat("x", 1<<16)
	return map[string]string{
		"null": `null`, "true": `true`, "zero": `0`, "negative": `-1`, "fraction": `1.5`, "point": `1.0`, "exponent": `1e3`, "huge": `1e400`, "big": `123456789012345678901234567890`,
		"int32+1": `2147483648`, "int64+1": fmt.Sprintf("%d", uint64(math.MaxInt64)+1), "tiny": `1e-9999999`, "long number": strings.Repeat("9", 5000),
		"empty": `""`, "space": `" "`, "long": `"` + long + `"`, "NUL": `"a\u0000b"`, "lone high": `"\ud800"`, "lone low": `"\udc00x"`, "control": `"a\u0007b"`,
		"unicode": `"ünï😀\u202e"`, "sql": `"'; DROP TABLE scripts; --"`, "path": `"../../etc/passwd"`, "crlf": `"a\r\nb"`,
		"empty object": `{}`, "empty list": `[]`, "object": `{"a":{"b":[1,null,"x"]}}`, "list": `[null,1,"x",{}]`, "NUL key": `{"a\u0000":1}`,
		"proto": `{"__proto__":{"x":1},"constructor":1}`, "twice": `{"a":1,"a":2}`,
		"deep": strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000), "deep object": strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat(`}`, 2000),
	}
}

// broken are bodies that are no JSON.
func broken() map[string]string {
	return map[string]string{
		"half": `{"a":`, "comma": `{"a":1,}`, "two": `{} {}`, "bare": `hello`, "single": `{'a':1}`, "control": "{\"a\":\"\x01\"}", "utf8": "{\"a\":\"\xff\xfe\"}",
		"bom": "\xef\xbb\xbf{}", "nan": `{"a":NaN}`, "zero": `{"a":01}`, "space": ` `, "nul": "\x00", "deep": strings.Repeat(`[`, 200_000),
	}
}

func countRows(t *testing.T, n *node) map[string]int {
	t.Helper()
	require.NoError(t, n.ledger.Flush(t.Context()))
	counts := map[string]int{}
	for _, table := range []string{"scripts", "script_versions", "script_deployments", "script_http_endpoints", "script_event_subscriptions", "script_scheduled_jobs", "organizations", "users", "api_keys", "script_secrets", "script_vars", "script_executions", "audit_log", "tenants"} {
		var c int
		require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&c))
		counts[table] = c
	}
	return counts
}

// samples are full bodies, so that each field can be replaced in turn.
func samples() map[string]map[string]any {
	limits, planned := map[string]any{}, map[string]any{}
	for _, l := range engine.LimitTable() {
		limits[l.Name] = l.Min + 1000
		planned[l.Name] = map[string]any{"ceiling": l.Ceiling, "default": l.Min + 1000}
	}
	plan := map[string]any{
		"jit": "off", "max_concurrent_runs": 1, "max_history_bytes": 1 << 30, "max_kv_bytes": 1, "max_queue_depth": 1000, "max_scripts": 100, "weight": 3, "egress": map[string]any{"allow": []string{"example.com"}, "deny": nil},
		"limits": planned, "retention": map[string]any{"executions_days": 1, "failed_days": 1, "logs_days": 1},
	}
	return map[string]map[string]any{
		"session-create": {"key": "k", "link": "l"},
		"webhook-create": {"url": "https://example.org", "events": []string{"script.failing"}, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
		"tenant-create":  {"slug": "s", "name": "n", "settings": map[string]any{}, "plan": plan}, "tenant-update": {"slug": "s", "name": "n", "status": "active", "settings": map[string]any{}, "plan": plan},
		"tenant-key-create":   {"name": "k", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z", "user_id": 1, "scopes": []string{"scripts:read"}},
		"key-create":          {"name": "k", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z", "user_id": 1, "scopes": []string{"scripts:read"}},
		"organization-create": {"name": "o"}, "organization-update": {"name": "o"},
		"user-create": {"name": "n", "email": "n@example.org", "role": "viewer", "organization_id": nil}, "user-update": {"name": "n", "email": "n@example.org", "role": "viewer", "organization_id": nil},
		"script-create": {"name": "n", "type": "oneoff", "source": runSource, "files": nil, "main": nil, "kv_namespaces": nil, "egress": map[string]any{"allow": []string{"example.com"}, "deny": nil}, "breaker": map[string]any{"failures": 3, "action": "notify"}, "status": "draft", "description": "d", "organization_id": nil, "resource_limits": limits,
			"cron_expression": nil, "timezone": "UTC", "http_path": nil, "http_methods": nil, "event_types": nil, "metadata": map[string]any{}, "tags": []string{}, "change_description": "c",
			"history": map[string]any{"store": "all", "sample": 1, "bodies": true, "redact": []string{"$.input"}}, "http": nil, "retry": map[string]any{"max_attempts": 1, "backoff_ms": 1, "max_backoff_ms": 1, "jitter": 0},
			"schedule": nil},
		"script-update": {"name": "job", "type": "scheduled", "source": "export default { scheduled() { } }", "files": nil, "main": nil, "kv_namespaces": nil, "egress": map[string]any{"allow": []string{"example.com"}, "deny": nil}, "breaker": map[string]any{"failures": 3, "action": "notify"}, "status": "active", "description": "d", "organization_id": nil, "resource_limits": limits,
			"cron_expression": "0 0 * * *", "timezone": "UTC", "http_path": nil, "http_methods": nil, "event_types": nil, "metadata": map[string]any{}, "tags": []string{}, "change_description": "c",
			"history": map[string]any{"store": "all", "sample": 1, "bodies": true, "redact": []string{"$.input"}}, "http": nil, "retry": map[string]any{"max_attempts": 1, "backoff_ms": 1, "max_backoff_ms": 1, "jitter": 0},
			"schedule": map[string]any{"jitter_seconds": 0, "missed": "skip", "missed_window_seconds": 1, "overlap": "skip", "retry_lost": false}},
		"version-create": {"source": "export default { scheduled() { } }", "files": nil, "main": nil, "kv_namespaces": nil, "egress": map[string]any{"allow": []string{"example.com"}, "deny": nil}, "breaker": map[string]any{"failures": 3, "action": "notify"}, "resource_limits": limits, "cron_expression": "0 0 * * *", "timezone": "UTC",
			"http_path": nil, "http_methods": nil, "event_types": nil, "change_description": "c", "tag": nil, "activate": false,
			"history": map[string]any{"store": "all", "sample": 1, "bodies": true, "redact": []string{"$.input"}}, "http": nil, "retry": map[string]any{"max_attempts": 1, "backoff_ms": 1, "max_backoff_ms": 1, "jitter": 0},
			"schedule": map[string]any{"jitter_seconds": 0, "missed": "skip", "missed_window_seconds": 1, "overlap": "skip", "retry_lost": false}},
		"version-compare":  {"last": 1, "status": "completed", "trigger_type": "http", "fetch": "deny"},
		"version-activate": {"percent": 100, "auto_rollback": nil}, "version-execution-create": {"input": 1},
		"version-restore": {"change_description": "c"}, "script-import": {"format": "jsruntime.export.v1", "tenant": "t", "exported_at": "2100-01-01T00:00:00Z", "vars": map[string]any{"A": "b"}, "scripts": []any{}},
		"event-publish": {"type": "x.y", "data": 1, "id": "i", "deliver_at": "2026-12-01T00:00:00Z"}, "execution-create": {"input": 1}, "execution-replay": {"version": 1},
		"dead-letter-retry-many": {"script_id": nil, "event_type": "x", "error_code": "exception", "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "version": 1, "dry_run": true},
		"dead-letter-retry":      {"data": map[string]any{"n": 1}, "version": 1}, "secret-put": {"value": "v", "scripts": []string{"s"}, "hosts": []string{"api.example.com"}}, "kv-put": {"value": 1, "expiration_ttl": 60, "metadata": 1},
		"var-replace": {"vars": map[string]any{"A": "b"}}, "var-put": {"value": "v"},
	}
}

// names are the fields of a body, with those of the objects in it.
func names(sample map[string]any, prefix string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(sample)) {
		out = append(out, prefix+k)
		if inner, ok := sample[k].(map[string]any); ok && k == "resource_limits" {
			out = append(out, names(inner, prefix+k+".")...)
		}
	}
	return out
}

// with returns the sample as JSON text with one field replaced.
func with(t *testing.T, sample map[string]any, field, value string) string {
	t.Helper()
	b, err := json.Marshal(sample)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	at := m
	parts := strings.Split(field, ".")
	for _, p := range parts[:len(parts)-1] {
		at = at[p].(map[string]any)
	}
	const mark = "@@mark@@"
	at[parts[len(parts)-1]] = mark
	b, err = json.Marshal(m)
	require.NoError(t, err)
	return strings.Replace(string(b), `"`+mark+`"`, value, 1)
}

// TestEveryFieldOfEveryBody sends values that no field expects to every field of every body, unknown fields, and bodies that
// are no JSON. Nothing may answer 5xx; what is refused says where; and what is refused leaves nothing behind.
func TestEveryFieldOfEveryBody(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	ids := fillTenant(t, n, acme)
	for _, r := range apiRoutes(t, n) {
		if r.body == nil {
			continue
		}
		caller := acme
		if r.permission == "operate" {
			caller = n.operator()
		}
		path := ids.fill(r.path, "acme")
		send := func(what, text string) {
			t.Helper()
			before := countRows(t, n)
			a := caller.do(r.method, path, text)
			require.Less(t, a.status, 500, "%s %s with %s: %s", r.method, path, what, a.body)
			if a.status < 300 {
				return
			}
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "%s with %s", r.id, what)
			p := a.json()
			require.NotEmpty(t, p["code"], "%s with %s", r.id, what)
			if a.status == 422 {
				require.NotEmpty(t, p["errors"], "%s with %s: %s", r.id, what, a.body)
			}
			for _, leak := range []string{"SQLSTATE", "pgx", "goroutine", ".go:", "script_versions", "violates", "Go struct", "httpapi"} {
				require.NotContains(t, string(a.body), leak, "%s with %s", r.id, what)
			}
			require.Equal(t, before, countRows(t, n), "%s with %s left something behind", r.id, what)
		}
		for name, text := range broken() {
			send("broken body "+name, text)
		}
		if r.id == "script-invoke" {
			for name, value := range nasty() {
				send(name, value)
			}
			continue
		}
		sample, ok := samples()[r.id]
		require.True(t, ok, "%s has a body that this test does not know", r.id)
		properties, _ := r.body["properties"].(map[string]any)
		require.ElementsMatch(t, slices.Collect(maps.Keys(properties)), slices.Collect(maps.Keys(sample)), "fields of %s", r.id)
		for _, field := range names(sample, "") {
			for name, value := range nasty() {
				send(field+" = "+name, with(t, sample, field, value))
			}
		}
		// An unknown field is named.
		a := caller.do(r.method, path, with(t, map[string]any{"surprise": 1}, "surprise", "1"))
		a.refused(422, "validation_failed")
		require.Contains(t, string(a.body), "surprise", r.id)
	}
}

func TestRefusalsNameTheField(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	for field, value := range map[string]string{
		"name": `""`, "type": `"other"`, "source": `7`, "status": `"gone"`, "description": `[]`, "organization_id": `"x"`, "resource_limits": `[]`,
		"resource_limits.max_memory_bytes": `"x"`, "cron_expression": `1`, "timezone": `1`, "http_path": `{}`, "http_methods": `"GET"`, "event_types": `{}`, "metadata": `[]`, "tags": `"x"`,
	} {
		a := acme.post("/api/v1/scripts", with(t, samples()["script-create"], field, value))
		p := a.refused(422, "validation_failed")
		require.Contains(t, fmt.Sprint(p["detail"]), "body."+field, string(a.body))
	}
	p := acme.post("/api/v1/organizations", map[string]any{"name": strings.Repeat("x", 256)}).refused(422, "validation_failed")
	require.Contains(t, p["detail"], "body.name")
	require.Contains(t, p["detail"], "255")
	// A secret's value is not echoed.
	a := acme.do("PUT", "/api/v1/secrets/TOKEN", map[string]any{"value": 424242})
	a.refused(422, "validation_failed")
	require.NotContains(t, string(a.body), "424242")
}
