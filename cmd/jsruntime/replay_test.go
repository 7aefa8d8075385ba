//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

const mirrorSource = `export default { async fetch(request, env, ctx) {
	const body = new Uint8Array(await request.arrayBuffer());
	return Response.json({
		method: request.method, url: request.url, params: ctx.params, headers: Object.fromEntries(request.headers), bytes: Array.from(body).join(","), has: request.body !== null,
	});
} }`

// mirrored is what mirrorSource saw.
type mirrored struct {
	Method, URL, Bytes string
	Has                bool
	Params, Headers    map[string]string
}

// TestReplayIsTheSameRequest: what ran for a request runs again with the same one, and says which credentials it lacks.
func TestReplayIsTheSameRequest(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "mirror", "type": "http", "status": "active", "source": mirrorSource, "http_path": "/users/:id/*rest", "http_methods": []string{"GET", "POST", "PUT"},
	})["id"].(string)
	n.live("/t/acme/users/1/x")
	for name, c := range map[string]struct {
		method, target string
		body           []byte
		headers        map[string]string
		lacks          []string // headers
		redacted       []any
	}{
		"get":      {method: "GET", target: "/users/42/a/b?x=1"},
		"encoded":  {method: "GET", target: "/users/4%2F2/a%20b/c?b=1&a=2&b=3&flag&e=&q=a+b%20c", headers: map[string]string{"X-Twice": "1, 2", "X-Name": "caf\xe9"}},
		"binary":   {method: "PUT", target: "/users/7/", body: []byte{0, 255, 1, 254}, headers: map[string]string{"Content-Type": "application/octet-stream"}},
		"json":     {method: "POST", target: "/users/7/x?y", body: []byte(`{"a": 1.0, "é":"\u0000"}`), headers: map[string]string{"Content-Type": "application/json"}},
		"redacted": {method: "POST", target: "/users/7/x", body: []byte(`x`), headers: map[string]string{"Authorization": "Bearer abc", "X-Api-Key": "k"}, lacks: []string{"authorization", "x-api-key"}, redacted: []any{"headers.authorization", "headers.x-api-key"}},
	} {
		req, err := http.NewRequestWithContext(context.Background(), c.method, n.base+"/t/acme"+c.target, bytes.NewReader(c.body))
		require.NoError(t, err)
		for k, v := range c.headers {
			req.Header.Set(k, v)
		}
		resp, err := e2eClient.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode, "%s: %s", name, text)
		var want mirrored
		require.NoError(t, json.Unmarshal(text, &want))
		require.NotEmpty(t, want.Params, name)

		n.onRecord(key, resp.Header.Get("X-Execution-Id"))
		replay := n.must(202, "POST", "/api/v1/executions/"+resp.Header.Get("X-Execution-Id")+"/replay", key, nil)
		for _, header := range c.lacks {
			require.Contains(t, want.Headers, header, name)
			delete(want.Headers, header)
		}
		require.Equal(t, want, n.mirrored(key, replay["id"].(string)), name)
		redacted, _ := replay["trigger_data"].(map[string]any)["redacted"].([]any)
		require.ElementsMatch(t, c.redacted, redacted, name)

		again := n.must(202, "POST", "/api/v1/executions/"+replay["id"].(string)+"/replay", key, nil)
		require.Equal(t, want, n.mirrored(key, again["id"].(string)), "%s: a replay of the replay", name)
	}

	// A run by hand matches the script's path, at once and from the queue.
	input := map[string]any{"input": map[string]any{"path": "/users/42/a/b", "query": map[string]any{"x": 1}, "body": map[string]any{"base64": "AP8="}}}
	ran := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, input)["id"].(string)
	queued := n.must(202, "POST", "/api/v1/scripts/"+id+"/executions", key, input)["id"].(string)
	for _, execution := range []string{ran, queued} {
		got := n.mirrored(key, execution)
		require.Equal(t, map[string]string{"id": "42", "rest": "a/b"}, got.Params)
		require.Equal(t, "http://localhost/users/42/a/b?x=1", got.URL)
		require.Equal(t, "0,255", got.Bytes)
	}
	given := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{"params": map[string]any{"id": "a b", "rest": "c"}}})["id"].(string)
	require.Equal(t, "http://localhost/users/a%20b/c", n.mirrored(key, given).URL)
	require.Equal(t, map[string]string{"id": "a b", "rest": "c"}, n.mirrored(key, given).Params)
}

// mirrored waits for the end of a run of mirrorSource, and returns what it saw.
func (n *process) mirrored(key, execution string) (saw mirrored) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		status, text := n.try("GET", "/api/v1/executions/"+execution, key, nil)
		var e struct {
			Status string
			Output struct{ Body string }
		}
		if status != 200 || json.Unmarshal([]byte(text), &e) != nil || e.Status == "pending" || e.Status == "running" {
			return false
		}
		require.Equal(n.t, "completed", e.Status, text)
		require.NoError(n.t, json.Unmarshal([]byte(e.Output.Body), &saw), text)
		return true
	}, time.Minute, 20*time.Millisecond)
	return saw
}
