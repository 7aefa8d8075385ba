package httpapi_test

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/forwarded"
)

// browser is a caller with a session, as the console's page is.
type browser struct {
	caller
	cookie, csrf string
}

func (n *node) anyone() caller { return n.as("") }

// signedIn returns the session that a sign-in's answer begins.
func (n *node) signedIn(a answer) browser {
	n.t.Helper()
	a.is(204)
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	require.NotEmpty(n.t, cookie)
	b := browser{caller: n.anyone(), cookie: cookie}
	b.csrf = b.do("GET", "/api/v1/session", nil).is(200).str("csrf_token")
	return b
}

func (n *node) signIn(key string) browser {
	n.t.Helper()
	return n.signedIn(n.anyone().post("/api/v1/session", map[string]any{"key": key}))
}

func (b browser) in(tenant string) browser {
	b.tenant = tenant
	return b
}

// do sends a request with the cookie, and the CSRF token where there is one.
func (b browser) do(method, path string, body any, headers ...string) answer {
	b.n.t.Helper()
	headers = append([]string{"Cookie", b.cookie, "Sec-Fetch-Site", "same-origin"}, headers...)
	if b.csrf != "" {
		headers = append([]string{"X-CSRF-Token", b.csrf}, headers...)
	}
	return b.caller.do(method, path, body, headers...)
}

func (b browser) get(path string) answer { b.n.t.Helper(); return b.do("GET", path, nil) }

func TestSession(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	admin := n.tenant("acme")

	// A key.
	a := n.anyone().post("/api/v1/session", map[string]any{"key": admin.key}).is(204)
	require.Regexp(t, `^jsr_session=jss_[0-9A-Za-z]{43}; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict$`, a.header.Get("Set-Cookie"))
	b := n.signedIn(a)
	s := b.get("/api/v1/session").is(200).json()
	require.Equal(t, "admin", s["role"])
	require.Equal(t, []any{"read", "inspect", "write", "execute", "admin"}, s["scopes"])
	require.Equal(t, "acme", s["tenant"].(map[string]any)["slug"])
	expires, err := time.Parse(time.RFC3339, s["expires_at"].(string))
	require.NoError(t, err)
	require.WithinRange(t, expires, time.Now().Add(11*time.Hour), time.Now().Add(13*time.Hour))
	who := b.get("/api/v1/whoami").is(200).json()
	require.Equal(t, "admin", who["key"].(map[string]any)["name"], "the key behind the session")

	// Only hashes are stored.
	_, token, _ := strings.Cut(b.cookie, "=")
	hash := sha256.Sum256([]byte(token))
	var found int
	require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT count(*) FROM console_sessions WHERE token_hash = $1", hash[:]).Scan(&found))
	require.Equal(t, 1, found)
	require.NoError(t, n.pool.QueryRow(t.Context(), "SELECT count(*) FROM console_sessions s WHERE s::text LIKE '%' || $1 || '%'", token[4:]).Scan(&found))
	require.Zero(t, found)

	// Changes need the CSRF token, reads do not.
	bare := b
	bare.csrf = ""
	bare.get("/api/v1/scripts").is(200)
	for _, wrong := range []string{"", "x", b.csrf + "x", b.csrf[1:], n.signIn(admin.key).csrf} {
		bare.csrf = wrong
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			path := map[string]string{"POST": "/scripts", "PUT": "/secrets/A", "PATCH": "/users/1", "DELETE": "/session"}[method]
			bare.do(method, "/api/v1"+path, map[string]any{}).refused(403, "csrf_token_invalid")
		}
	}
	made := b.do("POST", "/api/v1/organizations", map[string]any{"name": "made in the console"}).is(201).str("id")

	// The audit log names the key.
	entry := admin.get("/api/v1/audit-log?object_id=" + made).items()[0]
	key := admin.get("/api/v1/whoami").json()["key"].(map[string]any)
	require.Equal(t, key["id"], entry["actor_key_id"])
	require.Equal(t, "admin", entry["actor_name"])
	require.Len(t, admin.get("/api/v1/audit-log?action=session.create").items(), 2)

	// Out.
	a = b.do("DELETE", "/api/v1/session", nil).is(204)
	require.Equal(t, "jsr_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", a.header.Get("Set-Cookie"))
	a = b.get("/api/v1/session")
	a.refused(401, "unauthorized")
	require.Equal(t, "jsr_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", a.header.Get("Set-Cookie"), "what has ended is forgotten")
	require.Len(t, admin.get("/api/v1/audit-log?action=session.delete").items(), 1)

	// What is none.
	for _, body := range []any{map[string]any{}, map[string]any{"key": admin.key, "link": "x"}, map[string]any{"key": "", "link": ""}} {
		n.anyone().post("/api/v1/session", body).refused(422, "validation_failed")
	}
	for _, key := range []string{"x", "jsr_AAAAAAAA_" + strings.Repeat("A", 43), adminKey + "x", token} {
		n.anyone().post("/api/v1/session", map[string]any{"key": key}).refused(401, "unauthorized")
	}
	for _, cookie := range []string{"x", "jss_x", "jss_" + strings.Repeat("A", 43), token + "A", "jss_" + strings.Repeat("'", 43), admin.key} {
		browser{caller: n.anyone(), cookie: "jsr_session=" + cookie}.get("/api/v1/scripts").refused(401, "unauthorized")
	}
	n.anyone().post("/api/v1/session", map[string]any{"key": strings.Repeat("k", 513)}).refused(422, "validation_failed")
	require.NotContains(t, string(n.anyone().post("/api/v1/session", map[string]any{"key": 7, "secret": admin.key}).is(422).body), admin.key)
	n.anyone().post("/api/v1/session", map[string]any{"key": strings.Repeat("k", 10<<10)}).refused(413, "body_too_large")
	n.anyone().do("POST", "/api/v1/session", `{"key":"`+admin.key+`"}`, "Content-Type", "text/plain").refused(415, "unsupported_media_type")
	admin.get("/api/v1/session").refused(401, "unauthorized")
	admin.del("/api/v1/session").refused(401, "unauthorized")

	// Another sign-in of the same browser takes the place of the first.
	b = n.signIn(admin.key)
	second := n.signedIn(n.anyone().post("/api/v1/session", map[string]any{"key": admin.key}, "Cookie", b.cookie))
	b.get("/api/v1/session").is(401)
	second.get("/api/v1/session").is(200)
}

// A page of another origin, a sandboxed page and a link from elsewhere can neither change nor read anything, nor sign anybody in.
func TestSessionIsForPagesOfThisOrigin(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	b := n.signIn(n.tenant("acme").key)
	host := strings.TrimPrefix(n.server.URL, "http://")
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "?"},
		{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, {"Origin", "http://acme." + host}, {"Origin", "http://evil.test"},
	} {
		for _, path := range []string{"/api/v1/export", "/api/v1/session", "/api/v1/scripts", "/api/v1/logs/tail"} {
			a := b.do("GET", path, nil, headers...)
			a.refused(403, "cross_origin")
			require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
		}
		b.do("POST", "/api/v1/organizations", map[string]any{"name": "x"}, headers...).refused(403, "cross_origin")
		n.anyone().do("POST", "/api/v1/session", map[string]any{"key": adminKey}, headers...).refused(403, "cross_origin")
	}
	b.do("POST", "/api/v1/organizations", map[string]any{"name": "x"}, "Origin", "http://"+host).is(201)
	for _, method := range []string{"OPTIONS", "TRACE"} {
		a := b.do(method, "/api/v1/scripts", nil, "Origin", "http://evil.test", "Access-Control-Request-Method", "POST")
		require.GreaterOrEqual(t, a.status, 400)
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	}
	// Two cookies of the name: one is planted, and nothing tells which.
	b.do("GET", "/api/v1/session", nil, "Cookie", b.cookie+"; jsr_session=jss_"+strings.Repeat("A", 43)).refused(401, "unauthorized")
	// A key beside the cookie is what counts, on which a page of another origin has no hold.
	n.operator().do("GET", "/api/v1/tenants", nil, "Cookie", b.cookie, "Sec-Fetch-Site", "cross-site").is(200)
	n.as("jsr_AAAAAAAA_"+strings.Repeat("A", 43)).do("GET", "/api/v1/scripts", nil, "Cookie", b.cookie).refused(401, "unauthorized")
	// What a proxy wants for itself is no key.
	b.do("GET", "/api/v1/session", nil, "Authorization", "Basic dTpw").is(200)
}

func TestSessionCookieWithTLS(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(c *httpapi.Config) {
		c.TrustedProxies = forwarded.Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	})
	key := n.tenant("acme").key
	tls := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "console.test"}
	a := n.anyone().post("/api/v1/session", map[string]any{"key": key}, tls...).is(204)
	cookie := a.header.Get("Set-Cookie")
	require.Regexp(t, `^__Host-jsr_session=jss_[0-9A-Za-z]{43}; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict$`, cookie)
	cookie, _, _ = strings.Cut(cookie, ";")
	b := browser{caller: n.anyone(), cookie: cookie}
	b.do("GET", "/api/v1/session", nil, append(tls, "Origin", "https://console.test")...).is(200)
	b.do("GET", "/api/v1/session", nil, append(tls, "Origin", "https://evil.test")...).refused(403, "cross_origin")
	// A cookie that any neighbouring host could plant is none where TLS is, and neither is the other one where it is not.
	_, token, _ := strings.Cut(cookie, "=")
	b.do("GET", "/api/v1/session", nil, append(tls, "Cookie", "jsr_session="+token)...).is(401)
	b.do("GET", "/api/v1/session", nil).is(401)
	link := n.as(key).do("POST", "/api/v1/session-links", nil, tls...).is(201)
	require.True(t, strings.HasPrefix(link.str("url"), "https://console.test/console/#link=jsl_"), link.str("url"))

	// Only a trusted proxy's header counts.
	plain := startNode(t)
	a = plain.anyone().post("/api/v1/session", map[string]any{"key": plain.tenant("acme").key}, tls...).is(204)
	require.True(t, strings.HasPrefix(a.header.Get("Set-Cookie"), "jsr_session="))
}

func TestOperatorsSession(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.tenant("acme")
	n.tenant("other")
	b := n.signIn(adminKey)
	s := b.get("/api/v1/session").is(200).json()
	require.Equal(t, "superadmin", s["role"])
	require.Nil(t, s["tenant"])
	require.Contains(t, s["scopes"], "operate")
	require.Len(t, b.get("/api/v1/tenants").items(), 2)
	b.get("/api/v1/scripts").refused(400, "tenant_required")
	b.in("acme").get("/api/v1/scripts").is(200)
	require.Equal(t, "acme", b.in("acme").get("/api/v1/session").is(200).json()["tenant"].(map[string]any)["slug"])
	b.in("nobody").get("/api/v1/session").refused(404, "not_found")
	// The key is no row: the session names it by a proof that only who has the key can make.
	_, err := n.pool.Exec(t.Context(), "UPDATE console_sessions SET operator_proof = sha256('forged')")
	require.NoError(t, err)
	b.get("/api/v1/tenants").refused(401, "unauthorized")

	// A tenant's session speaks about its tenant only.
	mine := n.signIn(n.key("acme", "viewer").key)
	mine.in("other").get("/api/v1/scripts").refused(403, "forbidden")
	mine.get("/api/v1/tenants").refused(403, "forbidden")
}

// A session ends with the key that it stands for.
func TestSessionEndsWithItsKey(t *testing.T) {
	t.Parallel()
	pool := newDB(t)
	next := strings.Repeat("next", 10)
	n := startNodeOn(t, pool)
	admin := n.tenant("acme")
	made := n.operator().post("/api/v1/tenants/acme/api-keys", map[string]any{"name": "k", "role": "developer"}).is(201)

	b := n.signIn(made.str("key"))
	link := n.key("acme", "admin").post("/api/v1/session-links", nil).is(201).str("link")
	admin.del("/api/v1/api-keys/" + made.str("id")).is(204)
	b.get("/api/v1/session").refused(401, "unauthorized")

	// Expired.
	b = n.signIn(n.key("acme", "viewer").key)
	b.get("/api/v1/session").is(200)
	_, err := pool.Exec(t.Context(), "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE role = 'viewer'")
	require.NoError(t, err)
	b.get("/api/v1/session").refused(401, "unauthorized")

	// Not used for long, or too old.
	for _, change := range []string{"seen_at = now() - interval '12 hours'", "expires_at = now()"} {
		b = n.signIn(admin.key)
		b.get("/api/v1/session").is(200)
		_, err := pool.Exec(t.Context(), "UPDATE console_sessions SET "+change)
		require.NoError(t, err)
		b.get("/api/v1/session").refused(401, "unauthorized")
	}
	// Use pushes the end, up to the last one.
	b = n.signIn(admin.key)
	_, err = pool.Exec(t.Context(), "UPDATE console_sessions SET seen_at = now() - interval '11 hours', expires_at = now() + interval '1 hour'")
	require.NoError(t, err)
	expires, err := time.Parse(time.RFC3339, b.get("/api/v1/session").is(200).str("expires_at"))
	require.NoError(t, err)
	require.WithinRange(t, expires, time.Now(), time.Now().Add(61*time.Minute))
	var seen bool
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT bool_or(seen_at > now() - interval '1 hour') FROM console_sessions").Scan(&seen))
	require.True(t, seen)

	// The operator's key is taken out of use: two nodes of one database, before and after.
	both := startNodeOn(t, pool, func(c *httpapi.Config) { c.Keys = newKeys(t, pool, next, adminKey) })
	after := startNodeOn(t, pool, func(c *httpapi.Config) { c.Keys = newKeys(t, pool, next) })
	old, young := both.signIn(adminKey), both.signIn(next)
	on := func(m *node, b browser) browser { b.n = m; return b }
	on(n, old).get("/api/v1/tenants").is(200)
	on(after, old).get("/api/v1/tenants").refused(401, "unauthorized")
	on(after, young).get("/api/v1/tenants").is(200)
	oldLink := both.as(adminKey).post("/api/v1/session-links", nil).is(201).str("link")
	after.anyone().post("/api/v1/session", map[string]any{"link": oldLink}).refused(401, "unauthorized")
	// Each of the two keys has its own Idempotency-Keys: what one was answered, the other cannot read.
	first := both.as(adminKey).post("/api/v1/tenants", map[string]any{"slug": "one", "name": "One"}, "Idempotency-Key", "k").is(201)
	require.Equal(t, string(first.body), string(both.as(adminKey).post("/api/v1/tenants", map[string]any{"slug": "one", "name": "One"}, "Idempotency-Key", "k").is(201).body))
	both.as(next).post("/api/v1/tenants", map[string]any{"slug": "one", "name": "One"}, "Idempotency-Key", "k").refused(409, "slug_taken")

	// Its tenant is deleted: sessions and links with it.
	b = n.signIn(admin.key)
	n.operator().del("/api/v1/tenants/acme").is(204)
	b.get("/api/v1/session").refused(401, "unauthorized")
	n.anyone().post("/api/v1/session", map[string]any{"link": link}).refused(401, "unauthorized")
}

func TestSessionLinks(t *testing.T) {
	t.Parallel()
	pool := newDB(t)
	n, other := startNodeOn(t, pool), startNodeOn(t, pool)
	admin := n.tenant("acme")
	a := admin.post("/api/v1/session-links", nil).is(201)
	link := a.str("link")
	require.Equal(t, n.server.URL+"/console/#link="+link, a.str("url"))
	expires, err := time.Parse(time.RFC3339, a.str("expires_at"))
	require.NoError(t, err)
	require.WithinRange(t, expires, time.Now().Add(5*time.Minute), time.Now().Add(15*time.Minute))
	var found int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM console_session_links l WHERE l::text LIKE '%' || $1 || '%'", link[4:]).Scan(&found))
	require.Zero(t, found)

	// The first use, on any node, is the only one.
	var won atomic.Int32
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			at := n
			if i%2 == 1 {
				at = other
			}
			if at.anyone().post("/api/v1/session", map[string]any{"link": link}).status == 204 {
				won.Add(1)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1, won.Load())
	n.anyone().post("/api/v1/session", map[string]any{"link": link}).refused(401, "unauthorized")

	// The session is the key's.
	b := n.signedIn(n.anyone().post("/api/v1/session", map[string]any{"link": admin.post("/api/v1/session-links", nil).is(201).str("link")}))
	require.Equal(t, admin.get("/api/v1/whoami").is(200).json(), b.get("/api/v1/whoami").is(200).json())
	// And makes links itself, with a CSRF token.
	again := b.do("POST", "/api/v1/session-links", nil, "Idempotency-Key", "a").is(201)
	require.Equal(t, string(again.body), string(b.do("POST", "/api/v1/session-links", nil, "Idempotency-Key", "a").is(201).body))
	// Another session of the key does not get what that one was answered.
	second := n.signIn(admin.key).do("POST", "/api/v1/session-links", nil, "Idempotency-Key", "a").is(201)
	require.NotEqual(t, again.str("link"), second.str("link"))

	// The operator's, with a tenant or without.
	op := n.operator().in("acme").post("/api/v1/session-links", map[string]any{}).is(201)
	require.True(t, strings.HasSuffix(op.str("url"), "&tenant=acme"), op.str("url"))
	require.Equal(t, "superadmin", n.signedIn(n.anyone().post("/api/v1/session", map[string]any{"link": op.str("link")})).get("/api/v1/session").str("role"))
	n.key("acme", "developer").post("/api/v1/session-links", nil).refused(403, "forbidden")
	n.key("acme", "viewer").post("/api/v1/session-links", nil).refused(403, "forbidden")

	// Too old, of a key that has ended, a session's token, garbage.
	late := admin.post("/api/v1/session-links", nil).is(201).str("link")
	_, err = pool.Exec(t.Context(), "UPDATE console_session_links SET expires_at = now()")
	require.NoError(t, err)
	_, token, _ := strings.Cut(b.cookie, "=")
	for _, bad := range []string{late, token, "x", "jsl_" + strings.Repeat("A", 43), admin.key} {
		n.anyone().post("/api/v1/session", map[string]any{"link": bad}).refused(401, "unauthorized")
	}
	ended := n.key("acme", "admin")
	link = ended.post("/api/v1/session-links", nil).is(201).str("link")
	_, err = pool.Exec(t.Context(), "UPDATE api_keys SET expires_at = now() WHERE id = $1", ended.get("/api/v1/whoami").json()["key"].(map[string]any)["id"])
	require.NoError(t, err)
	n.anyone().post("/api/v1/session", map[string]any{"link": link}).refused(401, "unauthorized")
}

func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	pool := newDB(t)
	n, other := startNodeOn(t, pool), startNodeOn(t, pool)
	admin := n.tenant("acme")
	neighbour := n.signIn(n.key("acme", "admin").key)
	operator := n.signIn(adminKey)
	here, there := n.signIn(admin.key), other.signIn(admin.key)
	link := admin.post("/api/v1/session-links", nil).is(201).str("link")
	here.do("DELETE", "/api/v1/session?all=true", nil).is(204)
	here.get("/api/v1/session").is(401)
	there.get("/api/v1/session").is(401)
	n.anyone().post("/api/v1/session", map[string]any{"link": link}).is(401)
	neighbour.get("/api/v1/session").is(200)
	operator.get("/api/v1/session").is(200)

	// With the key itself, where the browser is lost.
	lost := n.signIn(admin.key)
	admin.del("/api/v1/session?all=true").is(204)
	lost.get("/api/v1/session").is(401)
	second := other.signIn(adminKey)
	operator.in("acme").do("DELETE", "/api/v1/session?all=true", nil).is(204)
	operator.get("/api/v1/session").is(401)
	second.get("/api/v1/session").is(401)
	neighbour.get("/api/v1/session").is(200)

	// A key's sessions are few: the oldest give way.
	first := n.signIn(admin.key)
	for range 50 {
		n.anyone().post("/api/v1/session", map[string]any{"key": admin.key}).is(204)
	}
	first.get("/api/v1/session").is(401)
	var sessions int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM console_sessions WHERE key_id = (SELECT id FROM api_keys WHERE prefix = $1)", admin.key[:12]).Scan(&sessions))
	require.Equal(t, 50, sessions)
}

// Sessions share their key's rate, and so do sign-ins.
func TestSessionsShareTheirKeysRate(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(c *httpapi.Config) { c.RatePerMinute = 20 })
	key := n.tenant("acme").key
	b := n.signIn(key)
	refused := 0
	for i := range 60 {
		a := answer{}
		switch i % 3 {
		case 0:
			a = b.get("/api/v1/scripts")
		case 1:
			a = n.as(key).get("/api/v1/scripts")
		default:
			a = n.anyone().post("/api/v1/session", map[string]any{"key": key})
		}
		if a.status == 429 {
			require.NotEmpty(t, a.header.Get("Retry-After"))
			refused++
		}
	}
	require.Greater(t, refused, 20)
}

func TestAnswersAreOfNoUseToOtherPages(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	admin := n.tenant("acme")
	for _, a := range []answer{
		admin.get("/api/v1/scripts").is(200), admin.get("/api/v1/scripts/x").is(404), n.anyone().get("/api/v1/scripts").is(401), n.anyone().get("/nothing").is(404),
		n.anyone().get("/openapi.json").is(200), n.anyone().get("/jsruntime.d.ts").is(200), n.anyone().get("/healthz").is(200), n.anyone().get("/readyz").is(200),
		admin.get("/api/v1/export").is(200), n.anyone().do("PUT", "/healthz", nil).is(405), n.anyone().do("OPTIONS", "/api/v1/scripts", nil, "Origin", "http://evil.test"),
	} {
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", a.header.Get("Content-Security-Policy"))
		require.Equal(t, "same-origin", a.header.Get("Cross-Origin-Resource-Policy"))
		require.Equal(t, "DENY", a.header.Get("X-Frame-Options"))
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		for name := range a.header {
			require.False(t, strings.HasPrefix(http.CanonicalHeaderKey(name), "Access-Control-"), name)
		}
	}
}

func TestDocsPagesRunTheirOwnScriptOnly(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, path := range []string{"/docs", "/docs/", "/docs/reference/scripts", "/docs/nothing", "/docs/search.json"} {
		a := n.anyone().get(path)
		require.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
			"require-trusted-types-for 'script'; trusted-types 'none'", a.header.Get("Content-Security-Policy"), path)
		require.NotContains(t, string(a.body), "<style", path)
		require.NotContains(t, string(a.body), "style=", path)
		require.LessOrEqual(t, strings.Count(string(a.body), "<script"), 1, path)
		require.Equal(t, "same-origin", a.header.Get("Cross-Origin-Opener-Policy"))
		require.Equal(t, "DENY", a.header.Get("X-Frame-Options"))
	}
}
