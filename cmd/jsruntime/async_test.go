//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

const onceSource = `import { kv } from "jsruntime";
export default { async fetch(request) {
	const n = await kv.increment("runs:" + new URL(request.url).pathname);
	const body = await request.text();
	if (body === "fail" && n < 3) throw new Error("try again");
	return new Response(body + " " + n, { status: 201, headers: { "x-n": String(n) } });
} }`

// Two nodes, one with either way of HTTP: a request under an idempotency key runs once between them, and one that is answered before it runs is run
// from the queue, again where it fails.
func TestKeptRequestsOverNodes(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	nodes := []*process{start(t, nodeConfig{databaseURL: database, args: httpArgs(true)}), start(t, nodeConfig{databaseURL: database, args: httpArgs(false)})}
	key := nodes[0].tenant("acme")
	for path, settings := range map[string]map[string]any{
		"/pay": {"http": map[string]any{"idempotency": map[string]any{}}},
		"/job": {"http": map[string]any{"idempotency": map[string]any{}, "async": "prefer"}, "retry": map[string]any{"max_attempts": 5, "backoff_ms": 1}},
	} {
		settings["name"], settings["type"], settings["status"], settings["http_path"], settings["source"] = path[1:], "http", "active", path, onceSource
		settings["http_methods"] = []string{"GET", "POST"}
		nodes[0].must(201, "POST", "/api/v1/scripts", key, settings)
	}
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			pay, _ := n.try("PUT", "/t/acme/pay", "", nil)
			job, _ := n.try("PUT", "/t/acme/job", "", nil)
			return pay == 405 && job == 405
		}, time.Minute, 5*time.Millisecond)
	}
	send := func(n *process, path, body string, header ...string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", n.base+path, strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := e2eClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, string(text)
	}
	var all sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		all.Go(func() {
			for range 600 {
				resp, text := send(nodes[i%2], "/t/acme/pay", "order 1", "Idempotency-Key", "k1")
				if answers[i] = fmt.Sprint(resp.StatusCode, " ", text, " ", resp.Header.Get("X-N"), " ", resp.Header.Get("X-Execution-Id")); resp.StatusCode != 409 {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	all.Wait()
	for _, answer := range answers {
		require.Equal(t, answers[0], answer)
	}
	require.True(t, strings.HasPrefix(answers[0], "201 order 1 1 1 "), answers[0])
	resp, text := send(nodes[1], "/t/acme/pay", "order 2", "Idempotency-Key", "k1")
	require.Equal(t, 422, resp.StatusCode)
	require.Equal(t, "idempotency_key_reused", code(t, text))
	for i, n := range nodes {
		resp, text := send(n, "/t/acme/pay", "order 1")
		require.Equal(t, 201, resp.StatusCode)
		require.Equal(t, fmt.Sprintf("order 1 %d", i+2), text, "without a key each request runs")
	}

	// From the queue: fails twice, and is tried again. The same key gives the same 202.
	resp, text = send(nodes[0], "/t/acme/job", "fail", "Idempotency-Key", "j1", "Prefer", "respond-async")
	require.Equal(t, 202, resp.StatusCode, text)
	require.Equal(t, "respond-async", resp.Header.Get("Preference-Applied"))
	location := resp.Header.Get("Location")
	again, same := send(nodes[1], "/t/acme/job", "fail", "Idempotency-Key", "j1", "Prefer", "respond-async")
	require.Equal(t, []string{text, location, "true"}, []string{same, again.Header.Get("Location"), again.Header.Get("Idempotent-Replayed")})
	first := nodes[1].must(200, "GET", location, key, nil)
	require.Equal(t, "http", first["trigger_type"])
	require.Equal(t, "/job", first["trigger_data"].(map[string]any)["path"])
	require.Eventually(t, func() bool {
		items := nodes[1].must(200, "GET", "/api/v1/executions?trigger_type=http&status=completed&path=/job&fields=id,output,attempt", key, nil)["items"].([]any)
		if len(items) == 0 {
			return false
		}
		run := items[0].(map[string]any)
		require.Len(t, items, 1)
		require.EqualValues(t, 3, run["attempt"])
		require.Equal(t, "fail 3", run["output"].(map[string]any)["body"])
		return true
	}, time.Minute, 20*time.Millisecond)
	resp, text = send(nodes[1], "/t/acme/job", "now")
	require.Equal(t, 201, resp.StatusCode, text)

	// The history has the status of each answer: of synchronous requests, and of executions from the queue.
	require.Eventually(t, func() bool {
		answers := map[any]int{}
		for _, item := range nodes[0].must(200, "GET", "/api/v1/executions?http_status=2xx&limit=200", key, nil)["items"].([]any) {
			run := item.(map[string]any)
			require.EqualValues(t, 201, run["http_status"])
			answers[run["trigger_data"].(map[string]any)["path"]]++
		}
		return answers["/pay"] == 3 && answers["/job"] == 2
	}, time.Minute, 20*time.Millisecond)
	require.Empty(t, nodes[0].must(200, "GET", "/api/v1/executions?http_status=5xx", key, nil)["items"])
}
