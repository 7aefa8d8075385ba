//go:build linux

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

const leakySource = `export default { async fetch(request, env, ctx) {
	const body = await request.text();
	console.log("secret", env.API_SECRET, "encoded", encodeURIComponent(env.API_SECRET), JSON.stringify({ s: env.API_SECRET }));
	console.log(request.url, Object.fromEntries(request.headers), body);
	if (new URL(request.url).searchParams.has("fail")) throw new Error("failed with " + env.API_SECRET + " and ?token=t0ken9");
	return new Response(env.API_SECRET, { headers: { "x-note": env.API_SECRET, "x-session-token": "s3ssion9" } });
} }`

// TestSecretsAreMaskedWhereTheyAreKept: what a script logs, throws and returns of its tenant's secrets, and the callers' credentials, are
// nowhere but in the client's answer.
func TestSecretsAreMaskedWhereTheyAreKept(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	n := start(t, nodeConfig{databaseURL: url})
	key := n.tenant("acme")
	const secret = `va1ue "of" the/secret`
	n.must(204, "PUT", "/api/v1/secrets/API_SECRET", key, map[string]any{"value": secret})
	n.endpoint(key, "/leaky", leakySource, nil)
	n.live("/t/acme/leaky")
	send := func(query string) *http.Response {
		req, err := http.NewRequest("POST", n.base+"/t/acme/leaky?api_key=k3y9"+query, strings.NewReader(`{"password":"pa55w0rd9","note":`+strings.TrimSpace(quote(secret))+`}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Webhook-Signature", "s1gnature9")
		req.Header.Set("X-Access-Token", "t0ken9")
		resp, err := e2eClient.Do(req)
		require.NoError(t, err)
		return resp
	}
	good := send("")
	require.Equal(t, secret, good.Header.Get("X-Note"), "the client's answer is not touched")
	require.NoError(t, good.Body.Close())
	bad := send("&fail=1")
	require.NoError(t, bad.Body.Close())
	require.Equal(t, 500, bad.StatusCode)
	for _, id := range []string{good.Header.Get("X-Execution-Id"), bad.Header.Get("X-Execution-Id")} {
		var seen string
		require.Eventually(t, func() bool {
			status, execution := n.try("GET", "/api/v1/executions/"+id, key, nil)
			_, logs := n.try("GET", "/api/v1/executions/"+id+"/logs", key, nil)
			seen = execution + logs
			return status == 200
		}, time.Minute, 20*time.Millisecond)
		for _, credential := range []string{"va1ue", "k3y9", "pa55w0rd9", "s1gnature9", "t0ken9", "s3ssion9"} {
			require.NotContains(t, seen, credential)
		}
		require.Contains(t, seen, "[redacted]")
	}
}

func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}
