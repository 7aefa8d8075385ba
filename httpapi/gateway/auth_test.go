package gateway_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/gateway/auth"
)

// lock is what an endpoint's auth stands on in these tests.
type lock struct {
	mu      sync.Mutex // guards what follows
	secrets map[string]string
	claimed map[string]bool
	keys    string // the document of jwks_url
	fetched int
	down    bool // Postgres
	now     time.Time
}

func (l *lock) config() auth.Config {
	return auth.Config{
		Secret: func(_ context.Context, _ uuid.UUID, name string) (string, bool, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			value, ok := l.secrets[name]
			return value, ok, nil
		},
		Fetch: func(context.Context, uuid.UUID, string, int64) ([]byte, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.fetched++
			if l.keys == "" {
				return nil, errors.New("no answer")
			}
			return []byte(l.keys), nil
		},
		Claim: func(_ context.Context, _, script uuid.UUID, id []byte, _ time.Duration) (bool, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.down {
				return false, errors.New("Postgres is away")
			}
			key := script.String() + string(id)
			free := !l.claimed[key]
			l.claimed[key] = true
			return free, nil
		},
		Return: func(_ context.Context, _, script uuid.UUID, id []byte) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.claimed, script.String()+string(id))
			return nil
		},
		Now: func() time.Time {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.now
		},
	}
}

func (l *lock) set(change func(*lock)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// guarded serves an endpoint with a rule. ran counts executions; refused has the codes that were counted.
type guarded struct {
	*httptest.Server
	lock    *lock
	ran     atomic.Int64
	refused atomic.Int64
	claims  atomic.Value // of the last execution
	full    atomic.Bool  // the engine refuses
}

func guard(t *testing.T, httpAuth string, at time.Time) *guarded {
	t.Helper()
	options, err := catalog.HTTPOf(json.RawMessage(`{"auth": ` + httpAuth + `}`))
	require.NoError(t, err)
	g := &guarded{lock: &lock{secrets: map[string]string{}, claimed: map[string]bool{}, now: at}}
	verifier, err := auth.New(g.lock.config())
	require.NoError(t, err)
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if g.full.Load() {
			return nil, &engine.RefusedError{Code: engine.CodeOverloaded, RetryAfter: time.Second}
		}
		g.ran.Add(1)
		g.claims.Store(string(inv.Request.Auth))
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}
	g.Server = start(t, p, catalog.Endpoint{ScriptID: uuid.New(), Auth: options.Auth, AuthRule: options.AuthRule}, func(cfg *gateway.Config) {
		cfg.Auth = verifier
		cfg.Refused = func(_, _ uuid.UUID, code string) {
			if code == "unauthorized" {
				g.refused.Add(1)
			}
		}
	})
	return g
}

// vector is a request, and whether it is admitted.
type vector struct {
	name     string
	header   map[string]string // in addition to those of the scheme's good request; "" takes one away
	twice    string            // a header that is there a second time
	body     string            // "": that of the good request
	admitted bool
}

func sha(key string, parts ...string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(m.Sum(nil))
}

// Each scheme with the example that its provider has published, where there is one, and with what a stranger would try. What is refused
// runs nothing and is counted.
func TestSignedRequests(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	const (
		stripeSecret, stripeBody = "whsec_test_secret", `{"id":"evt_1","object":"event"}`
		slackSecret              = "8f742231b10e8888abcd99yyyzzz85a5"
		slackBody                = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
		slackGood                = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
		githubSecret             = "It's a Secret to Everybody"
		githubGood               = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
		standardGood             = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		discordBody              = `{"type":1,"id":"1"}`
	)
	at := time.Unix(1531420618, 0)
	now := strconv.FormatInt(at.Unix(), 10)
	discordSigned := func(sent, body string) string {
		return hex.EncodeToString(ed25519.Sign(private, []byte(sent+body)))
	}
	stripeSigned := func(sent, body string) string { return "t=" + sent + ",v1=" + sha(stripeSecret, sent, ".", body) }
	slackSigned := func(sent, body string) string { return "v0=" + sha(slackSecret, "v0:", sent, ":", body) }
	late, soon := strconv.FormatInt(at.Unix()-301, 10), strconv.FormatInt(at.Unix()+301, 10)
	edge := strconv.FormatInt(at.Unix()-300, 10)

	for _, scheme := range []struct {
		auth    string
		secret  string
		at      time.Time
		header  map[string]string
		body    string
		vectors []vector
	}{
		{
			auth: "standard_webhooks", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", at: time.Unix(1614265330, 0), body: `{"test": 2432232314}`,
			header: map[string]string{"Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp": "1614265330", "Webhook-Signature": standardGood},
			vectors: []vector{
				{name: "another id", header: map[string]string{"Webhook-Id": "msg_other"}},
				{name: "another time", header: map[string]string{"Webhook-Timestamp": "1614265331"}},
				{name: "a time in another spelling", header: map[string]string{"Webhook-Timestamp": "+1614265330"}},
				{name: "a time with a zero", header: map[string]string{"Webhook-Timestamp": "01614265330"}},
				{name: "no time", header: map[string]string{"Webhook-Timestamp": ""}},
				{name: "no id", header: map[string]string{"Webhook-Id": ""}},
				{name: "no signature", header: map[string]string{"Webhook-Signature": ""}},
				{name: "an empty signature", header: map[string]string{"Webhook-Signature": "v1,"}},
				{name: "another version", header: map[string]string{"Webhook-Signature": "v2" + standardGood[2:]}},
				{name: "the asymmetric version", header: map[string]string{"Webhook-Signature": "v1a" + standardGood[2:]}},
				{name: "base64 without padding", header: map[string]string{"Webhook-Signature": strings.TrimRight(standardGood, "=")}},
				{name: "base64 for URLs", header: map[string]string{"Webhook-Signature": strings.NewReplacer("+", "-", "/", "_").Replace(standardGood)}},
				{name: "the key itself", header: map[string]string{"Webhook-Signature": "v1,MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
				{name: "the body in another spelling", body: `{"test":2432232314}`},
				{name: "two ids", twice: "Webhook-Id"},
				{name: "two signatures", twice: "Webhook-Signature"},
				{name: "among signatures of other keys", header: map[string]string{"Webhook-Signature": "v1,AAAA v1a,BBBB " + standardGood}, admitted: true},
			},
		},
		{
			auth: "stripe", secret: stripeSecret, at: at, body: stripeBody, header: map[string]string{"Stripe-Signature": stripeSigned(now, stripeBody)},
			vectors: []vector{
				{name: "late by more than the tolerance", header: map[string]string{"Stripe-Signature": stripeSigned(late, stripeBody)}},
				{name: "early by more than the tolerance", header: map[string]string{"Stripe-Signature": stripeSigned(soon, stripeBody)}},
				{name: "late within the tolerance", header: map[string]string{"Stripe-Signature": stripeSigned(edge, stripeBody)}, admitted: true},
				{name: "a retry: the same event, another time", header: map[string]string{"Stripe-Signature": stripeSigned(edge, stripeBody)}},
				{name: "another time before the same signature", header: map[string]string{"Stripe-Signature": "t=" + late + "," + strings.Split(stripeSigned(now, stripeBody), ",")[1]}},
				{name: "two times", header: map[string]string{"Stripe-Signature": "t=" + now + "," + stripeSigned(now, stripeBody)}},
				{name: "the scheme of tests", header: map[string]string{"Stripe-Signature": strings.Replace(stripeSigned(now, stripeBody), "v1=", "v0=", 1)}},
				{name: "hexadecimal in capitals", header: map[string]string{"Stripe-Signature": "t=" + now + ",v1=" + strings.ToUpper(sha(stripeSecret, now, ".", stripeBody))}},
				{name: "no time", header: map[string]string{"Stripe-Signature": "v1=" + sha(stripeSecret, ".", stripeBody)}},
				{name: "a space in the list", header: map[string]string{"Stripe-Signature": strings.Replace(stripeSigned(now, stripeBody), ",", ", ", 1)}},
				{name: "the body with a new line", body: stripeBody + "\n"},
				{name: "another event", body: strings.Replace(stripeBody, "evt_1", "evt_2", 1)},
				{name: "no header", header: map[string]string{"Stripe-Signature": ""}},
				{name: "two headers", twice: "Stripe-Signature"},
				{name: "while the secret is rotated", header: map[string]string{"Stripe-Signature": "t=" + edge[:len(edge)-1] + "9,v1=" + sha("whsec_old", "x") + ",v1=" + sha(stripeSecret, edge[:len(edge)-1]+"9", ".", stripeBody)}, admitted: true},
			},
		},
		{
			auth: "github", secret: githubSecret, at: at, body: "Hello, World!",
			header: map[string]string{"X-Hub-Signature-256": githubGood, "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
			vectors: []vector{
				{name: "the body in another spelling", body: "Hello, World! "},
				{name: "without the algorithm", header: map[string]string{"X-Hub-Signature-256": githubGood[len("sha256="):]}},
				{name: "hexadecimal in capitals", header: map[string]string{"X-Hub-Signature-256": "sha256=" + strings.ToUpper(githubGood[len("sha256="):])}},
				{name: "SHA-1 only", header: map[string]string{"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=c70e3f0a0a2e3ec0d1f3ee7d3ea5d6a45e4f9d6f"}},
				{name: "SHA-1 in place of SHA-256", header: map[string]string{"X-Hub-Signature-256": "sha1=c70e3f0a0a2e3ec0d1f3ee7d3ea5d6a45e4f9d6f"}},
				{name: "of another secret", header: map[string]string{"X-Hub-Signature-256": "sha256=" + sha("", "Hello, World!")}},
				{name: "two headers", twice: "X-Hub-Signature-256"},
				{name: "two deliveries", twice: "X-GitHub-Delivery"},
				{name: "another delivery", header: map[string]string{"X-GitHub-Delivery": "another"}, admitted: true},
			},
		},
		{
			auth: "slack", secret: slackSecret, at: at, body: slackBody, header: map[string]string{"X-Slack-Signature": slackGood, "X-Slack-Request-Timestamp": now},
			vectors: []vector{
				{name: "late by more than the tolerance", header: map[string]string{"X-Slack-Signature": slackSigned(late, slackBody), "X-Slack-Request-Timestamp": late}},
				{name: "early by more than the tolerance", header: map[string]string{"X-Slack-Signature": slackSigned(soon, slackBody), "X-Slack-Request-Timestamp": soon}},
				{name: "another time", header: map[string]string{"X-Slack-Request-Timestamp": edge}},
				{name: "no time", header: map[string]string{"X-Slack-Request-Timestamp": ""}},
				{name: "a time that is none", header: map[string]string{"X-Slack-Request-Timestamp": "now"}},
				{name: "a negative time", header: map[string]string{"X-Slack-Signature": slackSigned("-5", slackBody), "X-Slack-Request-Timestamp": "-5"}},
				{name: "another version", header: map[string]string{"X-Slack-Signature": "v1" + slackGood[2:]}},
				{name: "a form in another order", body: strings.TrimPrefix(slackBody, "token=xyzz0WbapA4vBCDEFasx0q6G&") + "&token=xyzz0WbapA4vBCDEFasx0q6G"},
				{name: "a form in another spelling", body: strings.ReplaceAll(slackBody, "%2F", "%2f")},
				{name: "two times", twice: "X-Slack-Request-Timestamp"},
				{name: "a retry with a new time", header: map[string]string{"X-Slack-Signature": slackSigned(edge, slackBody), "X-Slack-Request-Timestamp": edge, "X-Slack-Retry-Num": "1"}, admitted: true},
			},
		},
		{
			auth: "discord", secret: hex.EncodeToString(public), at: at, body: discordBody,
			header: map[string]string{"X-Signature-Ed25519": discordSigned(now, discordBody), "X-Signature-Timestamp": now},
			vectors: []vector{
				{name: "of another key", header: map[string]string{"X-Signature-Ed25519": hex.EncodeToString(make([]byte, 64))}},
				{name: "hexadecimal in capitals", header: map[string]string{"X-Signature-Ed25519": strings.ToUpper(discordSigned(now, discordBody))}},
				{name: "too short", header: map[string]string{"X-Signature-Ed25519": discordSigned(now, discordBody)[:126]}},
				{name: "too long", header: map[string]string{"X-Signature-Ed25519": discordSigned(now, discordBody) + "00"}},
				{name: "late by more than the tolerance", header: map[string]string{"X-Signature-Ed25519": discordSigned(late, discordBody), "X-Signature-Timestamp": late}},
				{name: "a digit moved from the time to the body", header: map[string]string{"X-Signature-Timestamp": now[:len(now)-1]}, body: now[len(now)-1:] + discordBody},
				{name: "another body", body: `{"type":2,"id":"1"}`},
				{name: "no signature", header: map[string]string{"X-Signature-Ed25519": ""}},
				{name: "another time", header: map[string]string{"X-Signature-Ed25519": discordSigned(edge, discordBody), "X-Signature-Timestamp": edge}, admitted: true},
			},
		},
	} {
		t.Run(scheme.auth, func(t *testing.T) {
			t.Parallel()
			g := guard(t, `{"type": "`+scheme.auth+`", "secret": "KEY"}`, scheme.at)
			g.lock.set(func(l *lock) { l.secrets["KEY"] = scheme.secret })
			send := func(v vector) int {
				header := http.Header{}
				for name, value := range scheme.header {
					header.Set(name, value)
				}
				for name, value := range v.header {
					if header.Set(name, value); value == "" {
						header.Del(name)
					}
				}
				if v.twice != "" {
					header.Add(v.twice, header.Get(v.twice))
				}
				body := scheme.body
				if v.body != "" {
					body = v.body
				}
				ran, counted := g.ran.Load(), g.refused.Load()
				resp, text := do(t, g.Server, "POST", "/t/acme/x", header, strings.NewReader(body))
				t.Logf("%-18s %-45s %d", scheme.auth, v.name, resp.StatusCode)
				if resp.StatusCode == 401 {
					require.Contains(t, text, `"unauthorized"`)
					require.Empty(t, resp.Header.Get("X-Execution-Id"))
					require.Equal(t, []int64{ran, counted + 1}, []int64{g.ran.Load(), g.refused.Load()}, v.name)
				} else {
					require.Equal(t, ran+1, g.ran.Load(), v.name)
				}
				return resp.StatusCode
			}
			for _, v := range scheme.vectors {
				if !v.admitted && v.name != "a retry: the same event, another time" {
					require.Equal(t, 401, send(v), v.name)
				}
			}
			// Where nothing runs, the sender may send the same again.
			g.full.Store(true)
			header := http.Header{}
			for name, value := range scheme.header {
				header.Set(name, value)
			}
			resp, _ := do(t, g.Server, "POST", "/t/acme/x", header, strings.NewReader(scheme.body))
			require.Equal(t, 503, resp.StatusCode)
			g.full.Store(false)
			// Where it cannot be found out whether it came before, it is not admitted.
			g.lock.set(func(l *lock) { l.down = true })
			resp, _ = do(t, g.Server, "POST", "/t/acme/x", header, strings.NewReader(scheme.body))
			require.Equal(t, 503, resp.StatusCode)
			g.lock.set(func(l *lock) { l.down = false })
			require.Zero(t, g.ran.Load())

			require.Equal(t, 200, send(vector{name: "published, or as published"}))
			require.Equal(t, 401, send(vector{name: "replayed"}))
			for _, v := range scheme.vectors {
				if v.admitted {
					g.lock.set(func(l *lock) { clear(l.claimed) })
					require.Equal(t, 200, send(v), v.name)
					require.Equal(t, 401, send(v), v.name+", replayed")
				}
			}
			g.lock.set(func(l *lock) { l.now = l.now.Add(2 * time.Hour); clear(l.claimed) })
			if scheme.auth != "github" {
				require.Equal(t, 401, send(vector{name: "after the tolerance"}))
			}
			g.lock.set(func(l *lock) { delete(l.secrets, "KEY") })
			require.Equal(t, 401, send(vector{name: "without a secret"}))
		})
	}
}

// jwtOf makes a token by hand.
func jwtOf(head, claims string, sign func(signed string) []byte) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed))
}

func hs256(key string) func(string) []byte {
	return func(signed string) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(signed))
		return m.Sum(nil)
	}
}

func (g *guarded) bearer(t *testing.T, token string) int {
	t.Helper()
	ran := g.ran.Load()
	// The body must not be read for it: it never comes.
	resp, text := do(t, g.Server, "POST", "/t/acme/x", http.Header{"Authorization": {"Bearer " + token}}, nil)
	t.Log(text)
	if resp.StatusCode != 200 {
		require.Equal(t, ran, g.ran.Load())
	} else {
		require.Equal(t, ran+1, g.ran.Load())
	}
	return resp.StatusCode
}

func TestTokensOfSharedKey(t *testing.T) {
	t.Parallel()
	// RFC 7515, A.1.
	key, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	require.NoError(t, err)
	const published = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	g := guard(t, `{"type": "jwt", "secret": "KEY", "issuer": "joe"}`, time.Unix(1300819380, 0))
	g.lock.set(func(l *lock) { l.secrets["KEY"] = string(key) })
	require.Equal(t, 200, g.bearer(t, published))
	require.JSONEq(t, `{"iss":"joe","exp":1300819380,"http://example.com/is_root":true}`, g.claims.Load().(string))
	require.Equal(t, 200, g.bearer(t, published), "a token is no webhook: it may come again")
	g.lock.set(func(l *lock) { l.now = l.now.Add(60 * time.Second) })
	require.Equal(t, 200, g.bearer(t, published), "clocks may differ by a minute")
	g.lock.set(func(l *lock) { l.now = l.now.Add(time.Second) })
	require.Equal(t, 401, g.bearer(t, published), "expired, though it is remembered")
	g.lock.set(func(l *lock) { l.now = time.Unix(1300819000, 0); l.secrets["KEY"] = "another" })
	require.Equal(t, 401, g.bearer(t, published), "the key is another, though the token is remembered")
	g.lock.set(func(l *lock) { l.secrets["KEY"] = "shared" })

	const head = `{"alg":"HS256"}`
	good := jwtOf(head, `{"iss":"joe","sub":"u1"}`, hs256("shared"))
	parts := strings.Split(good, ".")
	last := good[:len(good)-1] + map[bool]string{true: "B", false: "A"}[good[len(good)-1] == 'A']
	for name, token := range map[string]string{
		"no token":                   "",
		"no signature":               parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"four parts":                 good + ".AAAA",
		"alg none":                   jwtOf(`{"alg":"none"}`, `{"iss":"joe"}`, func(string) []byte { return nil }),
		"alg none with signature":    jwtOf(`{"alg":"none"}`, `{"iss":"joe"}`, hs256("shared")),
		"alg None":                   jwtOf(`{"alg":"None"}`, `{"iss":"joe"}`, hs256("shared")),
		"alg hs256":                  jwtOf(`{"alg":"hs256"}`, `{"iss":"joe"}`, hs256("shared")),
		"an algorithm not allowed":   jwtOf(`{"alg":"HS512"}`, `{"iss":"joe"}`, hs256("shared")),
		"no alg":                     jwtOf(`{}`, `{"iss":"joe"}`, hs256("shared")),
		"another key":                jwtOf(head, `{"iss":"joe"}`, hs256("other")),
		"the empty key":              jwtOf(head, `{"iss":"joe"}`, hs256("")),
		"another issuer":             jwtOf(head, `{"iss":"jane"}`, hs256("shared")),
		"no issuer":                  jwtOf(head, `{}`, hs256("shared")),
		"an issuer in capitals":      jwtOf(head, `{"ISS":"joe"}`, hs256("shared")),
		"the issuer twice":           jwtOf(head, `{"iss":"jane","iss":"joe"}`, hs256("shared")),
		"an unknown crit":            jwtOf(`{"alg":"HS256","crit":["x"],"x":1}`, `{"iss":"joe"}`, hs256("shared")),
		"its own key":                jwtOf(`{"alg":"HS256","jwk":{"kty":"oct","k":"c2hhcmVk"}}`, `{"iss":"joe"}`, hs256("shared")),
		"not before":                 jwtOf(head, `{"iss":"joe","nbf":1300819061}`, hs256("shared")),
		"issued in the future":       jwtOf(head, `{"iss":"joe","iat":1300819061}`, hs256("shared")),
		"exp as a text":              jwtOf(head, `{"iss":"joe","exp":"never"}`, hs256("shared")),
		"claims that are a list":     jwtOf(head, `["joe"]`, hs256("shared")),
		"claims that are none":       jwtOf(head, `{"iss":"joe"`, hs256("shared")),
		"claims too deep":            jwtOf(head, `{"iss":"joe","a":`+strings.Repeat("[", 3000)+strings.Repeat("]", 3000)+`}`, hs256("shared")),
		"padded":                     good + "=",
		"base64 of another spelling": last,
		"a new line in it":           parts[0] + "." + parts[1] + ".\t" + parts[2],
		"too long":                   jwtOf(head, `{"iss":"joe","a":"`+strings.Repeat("a", 16<<10)+`"}`, hs256("shared")),
	} {
		status := g.bearer(t, token)
		t.Logf("jwt %-30s %d", name, status)
		require.Equal(t, 401, status, name)
	}
	require.Equal(t, 200, g.bearer(t, good))
	resp, _ := do(t, g.Server, "GET", "/t/acme/x", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, nil)
	require.Equal(t, 401, resp.StatusCode, "two tokens")
	resp, _ = do(t, g.Server, "GET", "/t/acme/x?access_token="+good, nil, nil)
	require.Equal(t, []string{`Bearer realm="jsruntime", error="invalid_token"`}, resp.Header["Www-Authenticate"])
	require.Equal(t, 401, resp.StatusCode, "in the query")
}

func TestTokensOfPublicKeys(t *testing.T) {
	t.Parallel()
	signing := map[string]crypto.Signer{}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signing["RS256"], signing["ES256"], signing["EdDSA"] = rsaKey, ecKey, edKey
	kids := map[string]string{"RS256": "r", "ES256": "e", "EdDSA": "d"}
	jwk := func(alg string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: signing[alg].Public(), KeyID: kids[alg], Algorithm: alg, Use: "sig"}
	}
	set := func(keys ...any) string {
		text, err := json.Marshal(map[string]any{"keys": keys})
		require.NoError(t, err)
		return string(text)
	}
	sign := func(alg string, key any, head map[jose.HeaderKey]any, claims string) string {
		options := (&jose.SignerOptions{}).WithType("JWT")
		for name, value := range head {
			options = options.WithHeader(name, value)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
		require.NoError(t, err)
		token, err := signer.Sign([]byte(claims))
		require.NoError(t, err)
		text, err := token.CompactSerialize()
		require.NoError(t, err)
		return text
	}
	at := time.Unix(1_700_000_000, 0)
	g := guard(t, `{"type": "jwt", "jwks_url": "https://issuer.example/jwks", "audience": ["a", "b"]}`, at)
	const claims = `{"aud":"b","sub":"u1"}`
	token := func(alg string) string {
		return sign(alg, signing[alg], map[jose.HeaderKey]any{"kid": kids[alg]}, claims)
	}
	require.Equal(t, 503, g.bearer(t, token("RS256")), "keys that cannot be fetched")
	shared := map[string]any{"kty": "oct", "k": "c2hhcmVk", "kid": "s"}
	g.lock.set(func(l *lock) {
		l.keys = set(jwk("RS256"), jwk("ES256"), jwk("EdDSA"), shared, map[string]any{"kty": "new"})
	})
	for alg := range signing {
		require.Equal(t, 200, g.bearer(t, token(alg)), alg)
		require.JSONEq(t, claims, g.claims.Load().(string))
		require.Equal(t, 200, g.bearer(t, sign(alg, signing[alg], nil, claims)), "%s without kid", alg)
	}
	fetched := g.lock.fetched
	require.Equal(t, 2, fetched)

	der, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	require.NoError(t, err)
	pemKey := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"HS256 with the public key":  jwtOf(`{"alg":"HS256","kid":"r"}`, claims, hs256(pemKey)),
		"HS256 with the modulus":     jwtOf(`{"alg":"HS256","kid":"r"}`, claims, hs256(string(rsaKey.N.Bytes()))),
		"HS256 with the set's own":   jwtOf(`{"alg":"HS256","kid":"s"}`, claims, hs256("shared")),
		"alg none":                   jwtOf(`{"alg":"none","kid":"r"}`, claims, func(string) []byte { return nil }),
		"another alg than the key's": sign("PS256", rsaKey, map[jose.HeaderKey]any{"kid": "r"}, claims),
		"the kid of another kind":    sign("ES256", ecKey, map[jose.HeaderKey]any{"kid": "r"}, claims),
		"another key under the kid":  sign("ES256", otherKey, map[jose.HeaderKey]any{"kid": "e"}, claims),
		"another key of its own":     sign("ES256", otherKey, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: otherKey.Public()}}, claims),
		"another audience":           sign("ES256", ecKey, map[jose.HeaderKey]any{"kid": "e"}, `{"aud":"c"}`),
		"no audience":                sign("ES256", ecKey, map[jose.HeaderKey]any{"kid": "e"}, `{}`),
		"expired":                    sign("ES256", ecKey, map[jose.HeaderKey]any{"kid": "e"}, `{"aud":"a","exp":1699999939}`),
	} {
		status := g.bearer(t, text)
		t.Logf("jwks %-30s %d", name, status)
		require.Equal(t, 401, status, name)
	}
	require.Equal(t, fetched, g.lock.fetched, "a kid that is known is not looked for again")

	// A rotated key is found; the old one is not good any more, though its tokens are remembered.
	rotated := sign("ES256", otherKey, map[jose.HeaderKey]any{"kid": "new"}, claims)
	fresh := jose.JSONWebKey{Key: otherKey.Public(), KeyID: "new"}
	g.lock.set(func(l *lock) { l.keys = set(fresh) })
	require.Equal(t, 200, g.bearer(t, rotated))
	require.Equal(t, 401, g.bearer(t, token("RS256")))

	// Unknown kids do not make the node fetch without end.
	fetched = g.lock.fetched
	for i := range 50 {
		require.Equal(t, 401, g.bearer(t, sign("ES256", otherKey, map[jose.HeaderKey]any{"kid": fmt.Sprint("k", i)}, claims)))
	}
	require.LessOrEqual(t, g.lock.fetched-fetched, 1)

	// A set that cannot be fetched stays for a day, and is fetched beside the requests.
	g.lock.set(func(l *lock) { l.keys, l.now = "", l.now.Add(time.Hour) })
	require.Equal(t, 200, g.bearer(t, rotated))
	g.lock.set(func(l *lock) { l.now = l.now.Add(24 * time.Hour) })
	require.Equal(t, 503, g.bearer(t, rotated))
	g.lock.set(func(l *lock) { l.keys = set(fresh) })
	require.Eventually(t, func() bool {
		g.lock.set(func(l *lock) { l.now = l.now.Add(time.Minute) })
		return g.bearer(t, rotated) == 200
	}, time.Minute, time.Millisecond)
	require.NotEmpty(t, maps.Keys(signing))
}
