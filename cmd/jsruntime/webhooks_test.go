package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
