//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// jobSource answers as its query says, while its job goes on until the test opens the gate.
const jobSource = `import { kv } from "jsruntime";
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export default { async fetch(request, env, ctx) {
	const q = new URL(request.url).searchParams, id = q.get("id");
	switch (q.get("do")) {
		case "open": await kv.put("gate:" + id, 1); return new Response("open");
		case "look": return Response.json({ begun: (await kv.get("begun:" + id)) === 1, done: (await kv.get("done:" + id)) === 1 });
	}
	ctx.waitUntil((async () => {
		await kv.put("begun:" + id, 1);
		while ((await kv.get("gate:" + id)) !== 1) await sleep(20);
		await kv.put("done:" + id, 1);
		if (q.get("do") === "reject") throw new Error("analytics down");
	})());
	switch (q.get("do")) {
		case "none": return new Response(null, { status: 204 });
		case "unchanged": return new Response(null, { status: 304 });
		case "redirect": return Response.redirect("https://example.com/", 302);
		case "throw": throw new Error("no");
		case "stream": { let i = 0; return new Response(new ReadableStream({ pull(c) { if (i++ < 3) c.enqueue(new TextEncoder().encode("part")); else c.close() } })); }
		case "wait": await sleep(1e6);
	}
	return Response.json({ ok: true });
} }`

var jobLimits = map[string]any{"max_api_calls_per_minute": 100000, "max_execution_time_ms": 100000, "max_concurrent_runs": 50}

// wireConn is one connection to a node.
type wireConn struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (n *process) dial() *wireConn {
	n.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(n.base, "http://"))
	require.NoError(n.t, err)
	n.t.Cleanup(func() { c.Close() })
	require.NoError(n.t, c.SetDeadline(time.Now().Add(2*time.Minute)))
	return &wireConn{t: n.t, Conn: c, r: bufio.NewReader(c)}
}

func (c *wireConn) send(method, path string) {
	c.t.Helper()
	_, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: a.test\r\n\r\n", method, path)
	require.NoError(c.t, err)
}

// get sends a request and reads its whole response.
func (c *wireConn) get(method, path string) (*http.Response, string) {
	c.t.Helper()
	c.send(method, path)
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	require.NoError(c.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp, string(body)
}

func (c *wireConn) look(id string) (begun, done bool) {
	c.t.Helper()
	_, body := c.get("GET", "/t/acme/job?do=look&id="+id)
	var state struct{ Begun, Done bool }
	require.NoError(c.t, json.Unmarshal([]byte(body), &state), body)
	return state.Begun, state.Done
}

// ended waits until an execution is on record with an end.
func (n *process) ended(key, id string) (e map[string]any) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		status, text := n.try("GET", "/api/v1/executions/"+id, key, nil)
		return status == 200 && json.Unmarshal([]byte(text), &e) == nil && e["completed_at"] != nil
	}, time.Minute, 200*time.Millisecond)
	return e
}

// A response is whole, with its length, and its connection serves the next request, while work of waitUntil cannot end.
func TestResponseDoesNotWaitForWaitUntil(t *testing.T) { bothWays(t, responseDoesNotWaitForWaitUntil) }

func responseDoesNotWaitForWaitUntil(t *testing.T, lean bool) {
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: httpArgs(lean)})
	key := n.tenant("acme")
	n.endpoint(key, "/job", jobSource, jobLimits)
	n.live("/t/acme/job?do=open&id=none")
	for _, c := range []struct {
		do, method string
		status     int
		body       string
		code       any
	}{
		{"json", "GET", 200, `{"ok":true}`, nil},
		{"json", "HEAD", 200, "", nil},
		{"none", "GET", 204, "", nil},
		{"unchanged", "GET", 304, "", nil},
		{"redirect", "GET", 302, "", nil},
		{"stream", "GET", 200, "partpartpart", nil},
		{"reject", "GET", 200, `{"ok":true}`, "background_error"},
		{"throw", "GET", 500, "*", "exception"},
	} {
		t.Run(c.do+" "+c.method, func(t *testing.T) {
			t.Parallel()
			id, wire := c.do+c.method, n.dial()
			wire.t = t
			resp, body := wire.get(c.method, "/t/acme/job?do="+c.do+"&id="+id)
			require.Equal(t, c.status, resp.StatusCode, body)
			if c.body != "*" {
				require.Equal(t, c.body, body)
			}
			switch {
			case c.do == "stream":
				require.Equal(t, []string{"chunked"}, resp.TransferEncoding)
			case c.do == "json" || c.do == "reject":
				require.Equal(t, "11", resp.Header.Get("Content-Length"))
				require.Empty(t, resp.TransferEncoding)
			}
			_, done := wire.look(id) // on the same connection
			require.False(t, done)
			wire.get("GET", "/t/acme/job?do=open&id="+id)
			e := n.ended(key, resp.Header.Get("X-Execution-Id"))
			_, done = wire.look(id)
			require.True(t, done)
			require.Equal(t, c.code, e["error_code"], e["error"])
			metrics := e["metrics"].(map[string]any)
			require.Positive(t, metrics["response_ms"])
			require.LessOrEqual(t, metrics["response_ms"], metrics["duration_ms"])
			if c.do == "reject" {
				require.Equal(t, "failed", e["status"])
				require.Equal(t, "waitUntil: Error: analytics down", e["error"])
				require.Equal(t, `{"ok":true}`, e["output"].(map[string]any)["body"])
				logs := n.must(200, "GET", "/api/v1/executions/"+e["id"].(string)+"/logs", key, nil)["items"].([]any)
				require.Contains(t, logs[0].(map[string]any)["message"], "analytics down")
			}
		})
	}
}

// A client that leaves does not end the work of waitUntil, whether it has its response or not.
func TestClientLeavesAndTheWorkGoesOn(t *testing.T) { bothWays(t, clientLeavesAndTheWorkGoesOn) }

func clientLeavesAndTheWorkGoesOn(t *testing.T, lean bool) {
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: httpArgs(lean)})
	key := n.tenant("acme")
	n.endpoint(key, "/job", jobSource, jobLimits)
	n.live("/t/acme/job?do=open&id=none")
	for _, do := range []string{"none", "wait"} {
		watcher, client := n.dial(), n.dial()
		client.send("GET", "/t/acme/job?do="+do+"&id=left"+do)
		require.Eventually(t, func() bool { begun, _ := watcher.look("left" + do); return begun }, time.Minute, 10*time.Millisecond)
		require.NoError(t, client.Close())
		watcher.get("GET", "/t/acme/job?do=open&id=left"+do)
		require.Eventually(t, func() bool { _, done := watcher.look("left" + do); return done }, time.Minute, 10*time.Millisecond)
	}
	// The client of the second handler has left, and no work of waitUntil is left.
	require.Eventually(t, func() bool {
		_, text := n.try("GET", "/api/v1/executions?status=cancelled", key, nil)
		return strings.Contains(text, `"error":"client disconnected"`)
	}, time.Minute, 20*time.Millisecond)
}

// A stream whose client leaves hears of it, and cleans up.
func TestStreamIsCancelledWithItsClient(t *testing.T) { bothWays(t, streamIsCancelledWithItsClient) }

func streamIsCancelledWithItsClient(t *testing.T, lean bool) {
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: httpArgs(lean)})
	key := n.tenant("acme")
	n.endpoint(key, "/job", jobSource, jobLimits)
	n.endpoint(key, "/events", `import { kv } from "jsruntime";
		export default { fetch(request, env, ctx) { let timer; return new Response(new ReadableStream({
			start(c) { timer = setInterval(() => c.enqueue(new TextEncoder().encode("data: x\n\n")), 5) },
			async cancel(reason) { clearInterval(timer); await new Promise((r) => setTimeout(r, 20)); await kv.put("done:events", reason.message === "client disconnected" && ctx.signal.aborted ? 1 : String(reason)) },
		}), { headers: { "content-type": "text/event-stream" } }) } }`, jobLimits)
	n.live("/t/acme/job?do=open&id=none")
	client, watcher := n.dial(), n.dial()
	client.send("GET", "/t/acme/events")
	resp, err := http.ReadResponse(client.r, nil)
	require.NoError(t, err)
	_, err = io.ReadFull(resp.Body, make([]byte, 9))
	require.NoError(t, err)
	require.NoError(t, client.Close())
	require.Eventually(t, func() bool { _, done := watcher.look("events"); return done }, time.Minute, 10*time.Millisecond)
	e := n.ended(key, resp.Header.Get("X-Execution-Id"))
	require.Equal(t, "cancelled", e["status"])
	require.Equal(t, "client disconnected", e["error"])
}

// Work that goes on is drained at shutdown, and cancelled with its cause when the time is over.
func TestDrainOfBackgroundWork(t *testing.T) { bothWays(t, drainOfBackgroundWork) }

func drainOfBackgroundWork(t *testing.T, lean bool) {
	url := dbtest.URL(t)
	n := start(t, nodeConfig{databaseURL: url, args: httpArgs(lean)})
	key := n.tenant("acme")
	n.endpoint(key, "/late", `import { kv } from "jsruntime";
		export default { async fetch(request, env, ctx) { ctx.waitUntil(new Promise((r) => setTimeout(r, 1500)).then(() => kv.put("done:late", 1))); return new Response("x") } }`, jobLimits)
	n.endpoint(key, "/never", `export default { async fetch(request, env, ctx) { ctx.waitUntil(new Promise((r) => setTimeout(r, 1e6))); return new Response("x") } }`, jobLimits)
	n.endpoint(key, "/job", jobSource, jobLimits)
	n.live("/t/acme/job?do=open&id=none")
	late, _ := n.dial().get("GET", "/t/acme/late")
	require.Equal(t, 200, late.StatusCode)
	n.stop(syscall.SIGTERM)

	n = start(t, nodeConfig{databaseURL: url, args: append(httpArgs(lean), "--drain-timeout", "500ms")})
	n.live("/t/acme/job?do=open&id=none")
	_, done := n.dial().look("late")
	require.True(t, done)
	require.Equal(t, "completed", n.ended(key, late.Header.Get("X-Execution-Id"))["status"])
	never, _ := n.dial().get("GET", "/t/acme/never")
	n.stop(syscall.SIGTERM)

	n = start(t, nodeConfig{databaseURL: url, args: httpArgs(lean)})
	e := n.ended(key, never.Header.Get("X-Execution-Id"))
	require.Equal(t, "cancelled", e["status"])
	require.Equal(t, "the node is stopping", e["error"])
}
