package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi"
)

// A lock that is misspelt is refused, wherever it is misspelt; none opens silently.
func TestSettingsAreTyped(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(cfg *httpapi.Config) {
		cfg.MayFetchPlain = func(url string) bool { return strings.HasPrefix(url, "https:") }
	})
	acme := n.tenant("acme")
	type m = map[string]any
	web := func(settings m) m {
		body := m{"name": "web", "type": "http", "http_path": "/web", "http_methods": []string{"GET"}, "source": "export default { fetch() { return new Response() } }"}
		for k, v := range settings {
			body[k] = v
		}
		return body
	}
	cron := func(settings m) m {
		body := m{"name": "cron", "type": "scheduled", "cron_expression": "0 0 * * *", "source": "export default { scheduled() {} }"}
		for k, v := range settings {
			body[k] = v
		}
		return body
	}
	for _, tc := range []struct {
		body      m
		field     string
		suggested string
	}{
		{web(m{"metadata": m{"http": m{"auht": "api_key"}}}), "body.metadata.http.auht", "http.auth"},
		{web(m{"metadata": m{"http": m{"auth": "api_key"}}}), "body.metadata.http.auth", "http.auth"},
		{web(m{"metadata": m{"http": m{"cors": true}}}), "body.metadata.http.cors", "http.cors"},
		{cron(m{"metadata": m{"schedule": m{"missed_window": 5}}}), "body.metadata.schedule.missed_window", "schedule.missed_window_seconds"},
		{cron(m{"metadata": m{"retry": m{"max_atempts": 5}}}), "body.metadata.retry.max_atempts", "retry.max_attempts"},
		{web(m{"http": m{"auht": m{"type": "api_key"}}}), "body.http.auht", "did you mean auth?"},
		{web(m{"http": m{"authentication": m{"type": "api_key"}}}), "body.http.authentication", "did you mean auth?"},
		{web(m{"htpp": m{"auth": m{"type": "api_key"}}}), "body.htpp", "did you mean http?"},
		{web(m{"http": m{"Auth": m{"type": "api_key"}}}), "body.http.Auth", "did you mean auth?"},
		{web(m{"http": m{"auth": m{"tpye": "api_key"}}}), "body.http.auth.tpye", "did you mean type?"},
		{web(m{"http": m{"auth": m{}}}), "body.http.auth", "type"},
		{web(m{"http": m{"auth": m{"type": nil}}}), "body.http.auth.type", "string"},
		{web(m{"http": m{"auth": "api_key"}}), "body.http.auth", "object"},
		{web(m{"http": m{"auth": m{"type": "apikey"}}}), "body.http.auth.type", "api_key"},
		{web(m{"http": m{"auth": m{"type": "jwt"}}}), "body.http.auth", "either jwks_url or secret"},
		{web(m{"http": m{"auth": m{"type": "jwt", "secret": "NONE"}}}), "body.http.auth.secret", "no secret of this name"},
		{web(m{"http": m{"auth": m{"type": "jwt", "jwks_url": "http://keys.example/jwks"}}}), "body.http.auth.jwks_url", "https"},
		{web(m{"http": m{"auth": m{"type": "jwt", "jwks_url": "/jwks"}}}), "body.http.auth.jwks_url", "https"},
		{web(m{"http": m{"auth": m{"type": "jwt", "jwks_url": "https://a.example/", "secret": "KEY"}}}), "body.http.auth", "either jwks_url or secret"},
		{web(m{"http": m{"auth": m{"type": "jwt", "jwks_url": "https://a.example/", "algorithms": []string{"HS256"}}}}), "body.http.auth.algorithms", "does not go with jwks_url"},
		{web(m{"http": m{"auth": m{"type": "jwt", "secret": "KEY", "algorithms": []string{"RS256"}}}}), "body.http.auth.algorithms", "does not go with secret"},
		{web(m{"http": m{"auth": m{"type": "jwt", "secret": "KEY", "algorithms": []string{"none"}}}}), "body.http.auth.algorithms", "HS256"},
		{web(m{"http": m{"auth": m{"type": "jwt", "secret": "KEY", "algorithms": []string{}}}}), "body.http.auth.algorithms", "1"},
		{web(m{"http": m{"auth": m{"type": "jwt", "secret": "KEY", "audience": []string{}}}}), "body.http.auth.audience", ""},
		{web(m{"http": m{"auth": m{"type": "stripe"}}}), "body.http.auth.secret", "required"},
		{web(m{"http": m{"auth": m{"type": "stripe", "secret": "NONE"}}}), "body.http.auth.secret", "no secret of this name"},
		{web(m{"http": m{"auth": m{"type": "stripe", "secret": "a b"}}}), "body.http.auth.secret", "not the name of a secret"},
		{web(m{"http": m{"auth": m{"type": "stripe", "secret": "KEY", "issuer": "a"}}}), "body.http.auth.issuer", "not for auth of type stripe"},
		{web(m{"http": m{"auth": m{"type": "slack", "secret": "KEY", "tolerance_seconds": 0}}}), "body.http.auth.tolerance_seconds", "1"},
		{web(m{"http": m{"auth": m{"type": "slack", "secret": "KEY", "tolerance_seconds": 86401}}}), "body.http.auth.tolerance_seconds", "86400"},
		{web(m{"http": m{"auth": m{"type": "api_key", "scope": "invoke:"}}}), "body.http.auth.scope", "not a scope"},
		{web(m{"http": m{"auth": m{"type": "api_key", "scope": "script:read"}}}), "body.http.auth.scope", "did you mean scripts:read?"},
		{web(m{"http": m{"auth": m{"type": "none", "scope": "invoke:x"}}}), "body.http.auth.scope", "not for auth of type none"},
		{web(m{"http": m{"auth": m{"type": "api_key", "secret": "KEY"}}}), "body.http.auth.secret", "not for auth of type api_key"},
		{web(m{"http": m{"cors": m{"origin": "*"}}}), "body.http.cors.origin", "did you mean origins?"},
		{web(m{"http": m{"cors": m{"credentials": "yes"}}}), "body.http.cors.credentials", "boolean"},
		{web(m{"http": m{"cors": m{"credentials": true}}}), "body.http.cors", "origins"},
		{web(m{"http": m{"cors": m{"max_age_seconds": 1e6}}}), "body.http.cors.max_age_seconds", "86400"},
		{web(m{"retry": m{"max_attempts": 1}}), "body.retry", "without http.async"},
		{web(m{"http": m{"idempotency": m{"headers": "x"}}}), "body.http.idempotency.headers", "did you mean header?"},
		{web(m{"http": m{"idempotency": m{"header": "a b"}}}), "body.http.idempotency.header", "not the name of a header"},
		{web(m{"http": m{"idempotency": m{"header": "cookie"}}}), "body.http.idempotency.header", "a meaning of its own"},
		{web(m{"http": m{"idempotency": m{"ttl_seconds": 0}}}), "body.http.idempotency.ttl_seconds", "1"},
		{web(m{"http": m{"idempotency": m{"ttl_seconds": 604801}}}), "body.http.idempotency.ttl_seconds", "604800"},
		{web(m{"http": m{"idempotency": true}}), "body.http.idempotency", "object"},
		{web(m{"http": m{"async": "always"}}), "body.http.async", ""},
		{web(m{"http": m{"async": m{}}}), "body.http.async", ""},
		{web(m{"schedule": m{"missed": "skip"}}), "body.schedule", "not for a script of type http"},
		{cron(m{"http": m{"auth": m{"type": "api_key"}}}), "body.http", "not for a script of type scheduled"},
		{cron(m{"retry": m{"max_attempt": 1}}), "body.retry.max_attempt", "did you mean max_attempts?"},
		{cron(m{"retry": m{"max_attempts": "1"}}), "body.retry.max_attempts", "integer"},
		{cron(m{"retry": m{"max_attempts": 0}}), "body.retry.max_attempts", "1"},
		{cron(m{"retry": m{"jitter": 2}}), "body.retry.jitter", "1"},
		{cron(m{"schedule": m{"overlaps": "skip"}}), "body.schedule.overlaps", "did you mean overlap?"},
		{cron(m{"schedule": m{"overlap": "never"}}), "body.schedule.overlap", "queue_one"},
		{cron(m{"schedule": m{"jitter_seconds": 1.5}}), "body.schedule.jitter_seconds", "integer"},
	} {
		detail := fmt.Sprint(acme.post("/api/v1/scripts", tc.body).refused(422, "validation_failed"))
		require.Contains(t, detail, tc.field)
		require.Contains(t, detail, tc.suggested)
	}

	// What an endpoint's auth needs comes back as it was given, and is judged again only where it changes.
	acme.do("PUT", "/api/v1/secrets/KEY", m{"value": "v"}).is(204)
	for _, auth := range []m{
		{"type": "api_key", "scope": "invoke:checkout"},
		{"type": "github", "secret": "KEY", "tolerance_seconds": 0.0},
		{"type": "jwt", "jwks_url": "https://a.example/jwks", "issuer": "https://a.example", "audience": []any{"a", "b"}, "algorithms": []any{"RS256"}},
		{"type": "jwt", "secret": "KEY", "audience": "a", "tolerance_seconds": 5.0},
	} {
		body := web(m{"name": "auth", "http": m{"auth": auth}})
		signed := acme.post("/api/v1/scripts", body).is(201)
		require.Equal(t, m{"auth": auth}, signed.json()["http"])
		at := "/api/v1/scripts/" + signed.str("id")
		if auth["audience"] != nil {
			narrowed := acme.patch(at, m{"http": m{"auth": m{"type": "jwt", "audience": nil}}}).is(200).json()["http"].(map[string]any)["auth"]
			require.NotContains(t, narrowed, "audience")
		}
		require.Equal(t, m{"auth": m{"type": "none"}}, acme.patch(at, m{"http": nil}).is(200).json()["http"])
		acme.del(at).is(204)
	}

	// What comes before the script runs comes back as it was given, and is part of the version.
	queued := m{"auth": m{"type": "none"}, "idempotency": m{"header": "X-Key", "ttl_seconds": 60.0}, "async": "prefer", "hosts": []any{"a.example.com"}}
	before := acme.post("/api/v1/scripts", web(m{"name": "queued", "http": queued, "retry": m{"max_attempts": 2}})).is(201)
	require.Equal(t, queued, before.json()["http"])
	require.Equal(t, m{"max_attempts": 2.0}, before.json()["retry"])
	queuedAt := "/api/v1/scripts/" + before.str("id")
	require.EqualValues(t, 2, acme.patch(queuedAt, m{"http": m{"async": true, "idempotency": nil}}).is(200).json()["version"])
	require.Equal(t, m{"auth": m{"type": "none"}, "async": true, "hosts": []any{"a.example.com"}}, acme.get(queuedAt).json()["http"])
	require.Contains(t, fmt.Sprint(acme.patch(queuedAt, m{"http": m{"async": false}}).refused(422, "validation_failed")), "body.retry")
	acme.post(queuedAt+"/versions/1/restore", nil).is(201)
	require.Equal(t, queued, acme.get(queuedAt).json()["http"])
	acme.del(queuedAt).is(204)

	// A version that is saved and not live is judged as well.
	saved := "/api/v1/scripts/" + acme.post("/api/v1/scripts", web(m{"name": "saved"})).is(201).str("id")
	for field, auth := range map[string]m{
		"body.http.auth.secret":   {"type": "stripe", "secret": "NONE"},
		"body.http.auth.scope":    {"type": "api_key", "scope": "nothing:read"},
		"body.http.auth.jwks_url": {"type": "jwt", "jwks_url": "http://keys.example/jwks"},
	} {
		for _, activate := range []bool{false, true} {
			require.Contains(t, fmt.Sprint(acme.post(saved+"/versions", m{"http": m{"auth": auth}, "activate": activate}).refused(422, "validation_failed")), field)
		}
	}
	require.Len(t, acme.get(saved+"/versions").is(200).items(), 1)
	acme.del(saved).is(204)

	// Other metadata is free.
	id := acme.post("/api/v1/scripts", web(m{"metadata": m{"http": "yes", "retry": m{"note": 1}, "schedule": 5}, "http": m{"auth": m{"type": "api_key"}, "cors": m{"origins": "https://a.example"}}})).is(201).str("id")
	at := "/api/v1/scripts/" + id
	require.Equal(t, m{"auth": m{"type": "api_key"}, "cors": m{"origins": "https://a.example"}}, acme.get(at).json()["http"])
	acme.patch(at, m{"metadata": m{"http": m{"auht": "api_key"}}}).refused(422, "validation_failed")
	acme.patch(at, m{"http": m{"auht": m{"type": "api_key"}}}).refused(422, "validation_failed")
	acme.patch(at, m{"http": m{"auth": m{"type": nil}}}).refused(422, "validation_failed")
	// A patch of one member leaves the lock closed.
	p := acme.patch(at, m{"http": m{"cors": m{"max_age_seconds": 5}}}).is(200).json()
	require.Equal(t, m{"auth": m{"type": "api_key"}, "cors": m{"origins": "https://a.example", "max_age_seconds": 5.0}}, p["http"])
	require.Equal(t, m{"auth": m{"type": "api_key"}}, acme.patch(at, m{"http": m{"cors": nil}}).is(200).json()["http"])

	made := acme.post("/api/v1/scripts", cron(m{"schedule": m{"missed": "skip"}, "retry": m{"max_attempts": 2, "jitter": 0}})).is(201).json()
	require.Equal(t, m{"overlap": "skip", "missed": "skip", "missed_window_seconds": 3600.0, "jitter_seconds": 0.0, "retry_lost": false}, made["schedule"])
	require.Equal(t, m{"max_attempts": 2.0, "jitter": 0.0}, made["retry"])

	// They travel with an export.
	other := n.tenant("other")
	exported := acme.get("/api/v1/export").is(200)
	other.post("/api/v1/import", exported.json()).is(200)
	for _, script := range other.get("/api/v1/scripts").items() {
		if script["name"] == "web" {
			require.Equal(t, m{"auth": m{"type": "api_key"}}, script["http"])
		} else {
			require.Equal(t, made["schedule"], script["schedule"])
			require.Equal(t, made["retry"], script["retry"])
		}
	}
}
