//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/migrations/dbtest"
)

// TestWebhooksAndBreaker: failures in a row are told and open the breaker, which pauses the script; a recovery is told; deliveries are signed;
// a receiver that is gone is asked no more; the operator hears of all tenants, and no webhook reaches what fetch may not.
func TestWebhooksAndBreaker(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	heard := map[string][]map[string]any{} // by path
	gone := 0
	secret := "whsec_" + strings.Repeat("QUJD", 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/gone" {
			gone++
			w.WriteHeader(http.StatusGone)
			return
		}
		at, err := strconv.ParseInt(r.Header.Get("Webhook-Timestamp"), 10, 64)
		if err != nil {
			t.Errorf("timestamp: %v", err)
		}
		want, err := webhook.Sign(secret, r.Header.Get("Webhook-Id"), time.Unix(at, 0), body)
		if err != nil || want != r.Header.Get("Webhook-Signature") {
			t.Errorf("signature %q, not %q: %v", r.Header.Get("Webhook-Signature"), want, err)
		}
		var event map[string]any
		if err := json.Unmarshal(body, &event); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		heard[r.URL.Path] = append(heard[r.URL.Path], event)
	}))
	t.Cleanup(receiver.Close)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--fetch-allow", strings.TrimPrefix(receiver.URL, "http://")}})
	key := n.tenant("acme")
	hook := func(key, path string, events ...string) string {
		t.Helper()
		return n.must(201, "POST", "/api/v1/webhooks", key, map[string]any{"url": receiver.URL + path, "events": events, "secret": secret})["id"].(string)
	}
	mine := hook(key, "/mine", "script.failing", "script.recovered", "breaker.opened")
	hook(testAdminKey, "/operator", "script.failing")
	closed := hook(key, "/gone", "script.failing")
	inside := n.must(201, "POST", "/api/v1/webhooks", key, map[string]any{"url": strings.Replace(n.base, "http://", "https://", 1) + "/api/v1/tenants", "events": []string{"script.failing"}})
	n.must(422, "POST", "/api/v1/webhooks", key, map[string]any{"url": n.base + "/api/v1/tenants", "events": []string{"script.failing"}}) // over plain http
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, inside["secret"])
	told := func(path, event string, count int) map[string]any {
		t.Helper()
		var last map[string]any
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			found := 0
			for _, e := range heard[path] {
				if e["type"] == event {
					found, last = found+1, e["data"].(map[string]any)
				}
			}
			return found >= count
		}, time.Minute, 10*time.Millisecond, "%s %s", path, event)
		return last
	}
	n.must(202, "POST", "/api/v1/webhooks/"+mine+"/test", key, nil)
	told("/mine", "webhook.test", 1)

	const source = `export default { run(input) { if (input.fail) throw new Error("no"); return 1 } }`
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "job", "type": "embedded", "status": "active", "source": source, "breaker": map[string]any{"failures": 3}})["id"].(string)
	invoke := func(fail bool) int {
		status, _ := n.try("POST", "/api/v1/invoke/job", key, map[string]any{"fail": fail})
		return status
	}
	// Two failures, one that completes, and the count begins anew.
	for _, fail := range []bool{true, true, false, true, true} {
		want := 200
		if fail {
			want = 422
		}
		require.Equal(t, want, invoke(fail))
	}
	require.Equal(t, 422, invoke(true))
	data := told("/mine", "script.failing", 1)
	require.Equal(t, []any{"job", 3.0, "exception", id}, []any{data["script_name"], data["failures"], data["error_code"], data["script_id"]})
	require.Equal(t, true, told("/mine", "breaker.opened", 1)["paused"])
	require.NotEmpty(t, told("/operator", "script.failing", 1)["tenant_id"])
	require.Eventually(t, func() bool { return invoke(false) == 409 }, time.Minute, 20*time.Millisecond, "paused")
	require.Equal(t, "paused", n.must(200, "GET", "/api/v1/scripts/"+id, key, nil)["status"])

	// The receiver that is gone, and the address inside.
	require.Eventually(t, func() bool {
		return n.must(200, "GET", "/api/v1/webhooks/"+closed, key, nil)["disabled_at"] != nil
	}, time.Minute, 20*time.Millisecond)
	first := n.must(200, "GET", "/api/v1/webhooks/"+closed+"/deliveries", key, nil)["items"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"failed", 410.0}, []any{first["status"], first["response_status"]})
	require.Eventually(t, func() bool {
		d := n.must(200, "GET", "/api/v1/webhooks/"+inside["id"].(string)+"/deliveries", key, nil)["items"].([]any)[0].(map[string]any)
		return d["status"] == "pending" && d["error"] == "the address cannot be reached, or is not allowed" && d["response_status"] == nil
	}, time.Minute, 20*time.Millisecond)

	// Made active again, it begins without failures; without pause it recovers by itself.
	n.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"status": "active", "breaker": map[string]any{"action": "notify"}})
	for range 3 {
		require.Equal(t, 422, invoke(true))
	}
	require.Equal(t, false, told("/mine", "breaker.opened", 2)["paused"])
	require.Equal(t, 200, invoke(false))
	told("/mine", "script.recovered", 1)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 1, gone, "asked once")
}

// TestReceiversThatMisbehave: what a receiver does wrong is a delivery's error and no more, and a redrive sends it again: it fails, it is slow, it
// redirects, and what it answers is no HTTP or too much of it.
func TestReceiversThatMisbehave(t *testing.T) {
	t.Parallel()
	var mended atomic.Bool
	var followed atomic.Int64
	stop := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/inside" {
			followed.Add(1)
			return
		}
		if mended.Load() {
			return
		}
		switch r.URL.Path {
		case "/fails":
			w.WriteHeader(503)
		case "/slow":
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		case "/redirects":
			http.Redirect(w, r, "/inside", http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(receiver.Close)
	t.Cleanup(func() { close(stop) })
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	go func() { // answers that are none
		for {
			conn, err := raw.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				switch {
				case mended.Load():
					_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
				case request.URL.Path == "/garbage":
					_, _ = io.WriteString(conn, "410 GONE\r\nHTTP/1.1 200 OK\r\n\r\n")
				case request.URL.Path == "/headers":
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
				case request.URL.Path == "/smuggled": // a second answer that no request asked for
					_, _ = io.WriteString(conn, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
				}
			}()
		}
	}()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--fetch-allow", strings.TrimPrefix(receiver.URL, "http://"), "--fetch-allow", raw.Addr().String()}})
	key := n.tenant("acme")
	type want struct {
		id, err string
		status  any
	}
	hooks := map[string]*want{
		receiver.URL + "/fails": {err: "the receiver answered 503", status: 503.0}, receiver.URL + "/slow": {err: "no answer within 15s"},
		receiver.URL + "/redirects": {err: "the receiver answered 307; redirects are not followed", status: 307.0},
	}
	for _, path := range []string{"/garbage", "/headers"} {
		hooks["http://"+raw.Addr().String()+path] = &want{err: "the address cannot be reached, or is not allowed"}
	}
	hooks["http://"+raw.Addr().String()+"/smuggled"] = &want{err: "the receiver answered 500", status: 500.0}
	for url, w := range hooks {
		w.id = n.must(201, "POST", "/api/v1/webhooks", key, map[string]any{"url": url, "events": []string{"quota.warning"}})["id"].(string)
		n.must(202, "POST", "/api/v1/webhooks/"+w.id+"/test", key, nil)
	}
	delivery := func(w *want) map[string]any {
		return n.must(200, "GET", "/api/v1/webhooks/"+w.id+"/deliveries", key, nil)["items"].([]any)[0].(map[string]any)
	}
	for url, w := range hooks {
		require.Eventually(t, func() bool { return delivery(w)["error"] != nil }, 2*time.Minute, 500*time.Millisecond, url)
		d := delivery(w)
		require.Equal(t, []any{w.err, w.status, "pending"}, []any{d["error"], d["response_status"], d["status"]}, url)
		require.NotNil(t, d["next_attempt_at"])
		require.Nil(t, n.must(200, "GET", "/api/v1/webhooks/"+w.id, key, nil)["disabled_at"], url)
	}
	mended.Store(true)
	for url, w := range hooks {
		again := "/api/v1/webhooks/" + w.id + "/deliveries/" + delivery(w)["id"].(string) + "/redrive"
		require.Eventually(t, func() bool { // refused while an attempt is under way
			status, _ := n.try("POST", again, key, nil)
			return status == 202
		}, time.Minute, 200*time.Millisecond, url)
		require.Eventually(t, func() bool { return delivery(w)["status"] == "delivered" }, time.Minute, 200*time.Millisecond, url)
		require.Nil(t, delivery(w)["error"], url)
	}
	require.Zero(t, followed.Load(), "no redirect was followed")
}

// TestANodeThatIsKilledBetween: a delivery that a killed node was making is made by another one, with the same id.
func TestANodeThatIsKilledBetween(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	ids := make(chan string, 10)
	var answers atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is seen
		ids <- r.Header.Get("Webhook-Id")
		if !answers.Load() {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(receiver.Close)
	args := []string{"--fetch-allow", strings.TrimPrefix(receiver.URL, "http://")}
	first := start(t, nodeConfig{databaseURL: url, args: args})
	key := first.tenant("acme")
	hook := first.must(201, "POST", "/api/v1/webhooks", key, map[string]any{"url": receiver.URL, "events": []string{"quota.warning"}})["id"].(string)
	sent := first.must(202, "POST", "/api/v1/webhooks/"+hook+"/test", key, nil)["id"].(string)
	seen := <-ids
	require.Equal(t, "msg_"+strings.ReplaceAll(sent, "-", ""), seen)
	first.stop(syscall.SIGKILL)
	answers.Store(true)

	second := start(t, nodeConfig{databaseURL: url, args: args})
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	// The lease has a minute; here it is over.
	tag, err := conn.Exec(t.Context(), "UPDATE webhook_deliveries SET lease_expires_at = now() - interval '1 second' WHERE lease_token IS NOT NULL")
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected(), "it was under lease")
	require.Equal(t, seen, <-ids)
	require.Eventually(t, func() bool {
		d := second.must(200, "GET", "/api/v1/webhooks/"+hook+"/deliveries", key, nil)["items"].([]any)[0].(map[string]any)
		return d["status"] == "delivered" && d["attempts"] == 2.0
	}, time.Minute, 20*time.Millisecond)
}

// TestManyEndingsOnTwoNodes: failures of many scripts on two nodes at once are each told once, and the report of either node says so.
func TestManyEndingsOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	nodes := []*process{start(t, nodeConfig{databaseURL: url}), start(t, nodeConfig{databaseURL: url})}
	key := nodes[0].tenant("acme")
	hook := nodes[0].must(201, "POST", "/api/v1/webhooks", key, map[string]any{"url": "https://hooks.invalid/", "events": []string{"script.failing", "breaker.opened", "script.recovered"}})["id"].(string)
	const scripts = 4
	for i := range scripts {
		nodes[0].must(201, "POST", "/api/v1/scripts", key, map[string]any{
			"name": "job" + strconv.Itoa(i), "type": "embedded", "status": "active", "source": `export default { run(input) { if (input.fail) throw new Error("order " + input.n); return 1 } }`,
			"breaker": map[string]any{"failures": 6, "action": "notify"},
		})
	}
	invoke := func(i int, fail bool) {
		var all sync.WaitGroup
		for s := range scripts {
			all.Go(func() {
				want := 422
				if !fail {
					want = 200
				}
				status, text := nodes[i%2].try("POST", "/api/v1/invoke/job"+strconv.Itoa(s), key, map[string]any{"fail": fail, "n": i})
				if status != want {
					t.Errorf("%d: %s", status, text)
				}
			})
		}
		all.Wait()
	}
	told := func() map[string]int {
		counts := map[string]int{}
		for _, d := range nodes[1].must(200, "GET", "/api/v1/webhooks/"+hook+"/deliveries?limit=200", key, nil)["items"].([]any) {
			counts[d.(map[string]any)["event"].(string)]++
		}
		return counts
	}
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() { invoke(i, true) })
	}
	all.Wait()
	require.Eventually(t, func() bool {
		counts := told()
		return counts["script.failing"] == scripts && counts["breaker.opened"] == scripts
	}, time.Minute, 50*time.Millisecond)
	for _, n := range nodes {
		report := n.must(200, "GET", "/api/v1/health/report", key, nil)
		require.Equal(t, "failing", report["verdict"])
		require.Len(t, report["failing"], scripts)
		group := report["failing"].([]any)[0].(map[string]any)["errors"].([]any)[0].(map[string]any)
		require.Equal(t, []any{"Error: order N", "exception"}, []any{group["message"], group["error_code"]})
	}
	invoke(1, false)
	require.Eventually(t, func() bool { return told()["script.recovered"] == scripts }, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		return nodes[0].must(200, "GET", "/api/v1/health/report", key, nil)["verdict"] == "ok"
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, map[string]int{"script.failing": scripts, "breaker.opened": scripts, "script.recovered": scripts}, told())
}
