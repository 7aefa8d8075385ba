//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// Two nodes admit a signed request once between them, and read the keys of tokens where the operator lets scripts fetch from.
func TestEndpointAuthOverNodes(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}]}`))
	}))
	t.Cleanup(issuer.Close)
	database := dbtest.URL(t)
	allow := []string{"JSRUNTIME_FETCH_ALLOW=" + strings.TrimPrefix(issuer.URL, "http://")}
	nodes := []*process{start(t, nodeConfig{databaseURL: database, env: allow}), start(t, nodeConfig{databaseURL: database, env: allow})}
	key := nodes[0].tenant("acme")
	nodes[0].must(204, "PUT", "/api/v1/secrets/HOOK", key, map[string]any{"value": "whsec_hook"})
	script := func(name, auth string) string {
		return nodes[0].must(201, "POST", "/api/v1/scripts", key, map[string]any{
			"name": name, "type": "http", "status": "active", "http_path": "/" + name, "http_methods": []string{"POST", "GET"},
			"http": map[string]any{"auth": json.RawMessage(auth)}, "source": `export default { fetch: (r, env, ctx) => Response.json(ctx.auth) }`,
		})["id"].(string)
	}
	hook := script("hook", `{"type": "stripe", "secret": "HOOK"}`)
	tokenScript := script("token", `{"type": "jwt", "jwks_url": "`+issuer.URL+`/jwks"}`)
	nodes[0].must(422, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "plain", "type": "http", "http_path": "/plain", "http_methods": []string{"GET"}, "source": `export default { fetch() {} }`,
		"http": map[string]any{"auth": map[string]any{"type": "jwt", "jwks_url": "http://keys.example/"}},
	})
	send := func(n *process, path, body string, header ...string) int {
		req, err := http.NewRequestWithContext(context.Background(), "POST", n.base+path, bytes.NewReader([]byte(body)))
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := e2eClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for _, n := range nodes {
		n.live("/t/acme/hook")
		n.live("/t/acme/token")
	}
	signed := func(body string) string {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		m := hmac.New(sha256.New, []byte("whsec_hook"))
		m.Write([]byte(now + "." + body))
		return "t=" + now + ",v1=" + hex.EncodeToString(m.Sum(nil))
	}
	// The same request reaches both nodes at once, ten times each.
	signature := signed(`{"id":"evt_1"}`)
	var all sync.WaitGroup
	answers := make([]int, 20)
	for i := range answers {
		all.Go(func() { answers[i] = send(nodes[i%2], "/t/acme/hook", `{"id":"evt_1"}`, "Stripe-Signature", signature) })
	}
	all.Wait()
	admitted := 0
	for _, status := range answers {
		require.Contains(t, []int{200, 401}, status)
		if status == 200 {
			admitted++
		}
	}
	require.Equal(t, 1, admitted, answers)
	require.Equal(t, 401, send(nodes[0], "/t/acme/hook", `{"id":"evt_2"}`, "Stripe-Signature", signature))

	// What was refused has no execution, and is counted.
	require.Eventually(t, func() bool {
		items := nodes[1].must(200, "GET", "/api/v1/executions?script_id="+hook, key, nil)["items"].([]any)
		refused := nodes[1].must(200, "GET", "/api/v1/refusals?script_id="+hook, key, nil)["items"].([]any)
		counted := 0.0
		for _, item := range refused {
			counted += item.(map[string]any)["reasons"].(map[string]any)["unauthorized"].(float64)
		}
		return len(items) == 1 && counted >= 20
	}, time.Minute, 50*time.Millisecond)

	// A changed secret holds on both nodes.
	nodes[1].must(204, "PUT", "/api/v1/secrets/HOOK", key, map[string]any{"value": "whsec_other"})
	for i, n := range nodes {
		require.Eventually(t, func() bool {
			return send(n, "/t/acme/hook", strconv.Itoa(i), "Stripe-Signature", signed(strconv.Itoa(i))) == 401
		}, time.Minute, 50*time.Millisecond)
	}

	head, claims := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k"}`)), base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"u1"}`))
	token := head + "." + claims + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(head+"."+claims)))
	for _, n := range nodes {
		status, text := n.try("GET", "/t/acme/token", token, nil)
		require.Equal(t, 200, status, text)
		require.JSONEq(t, `{"sub":"u1"}`, text)
		require.Equal(t, 401, send(n, "/t/acme/token", ""))
	}

	// A replay has the claims of the token, which it does not have.
	run := ""
	require.Eventually(t, func() bool {
		items := nodes[0].must(200, "GET", "/api/v1/executions?script_id="+tokenScript, key, nil)["items"].([]any)
		if len(items) > 0 {
			run = items[0].(map[string]any)["id"].(string)
		}
		return run != ""
	}, time.Minute, 50*time.Millisecond)
	again := nodes[1].must(202, "POST", "/api/v1/executions/"+run+"/replay", key, nil)["id"].(string)
	require.Eventually(t, func() bool {
		e := nodes[1].must(200, "GET", "/api/v1/executions/"+again, key, nil)
		if e["status"] != "completed" {
			return false
		}
		require.Equal(t, `{"sub":"u1"}`, e["output"].(map[string]any)["body"])
		require.NotContains(t, fmt.Sprint(e), token)
		return true
	}, time.Minute, 50*time.Millisecond)

	// Keys of the tenant are admitted by their scopes.
	script("pay", `{"type": "api_key", "scope": "invoke:checkout"}`)
	nodes[0].live("/t/acme/pay")
	for scope, want := range map[string]int{"invoke:checkout": 200, "invoke:*": 200, "invoke:other": 403, "scripts:read": 403} {
		narrow := nodes[0].must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": scope, "scopes": []string{scope}})["key"].(string)
		status, text := nodes[0].try("GET", "/t/acme/pay", narrow, nil)
		require.Equal(t, want, status, "%s: %s", scope, text)
	}
}
