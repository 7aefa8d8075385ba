package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/logtail"
	"example.com/jsruntime/httpapi"
)

// TestLogTail watches the lines of a run as they come, and no neighbour's.
func TestLogTail(t *testing.T) {
	t.Parallel()
	var hub *logtail.Hub
	speak := &executor{}
	n := startNode(t, func(c *httpapi.Config) {
		var err error
		hub, err = logtail.New(logtail.Config{NodeID: [16]byte{1}, DB: c.Pool, Log: c.Log})
		require.NoError(t, err)
		c.Tail = hub
		c.Executor = hub.Executor(speak)
	})
	speak.set(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if inv.Lines.Wants(inv) {
			inv.Lines.Line(inv, engine.LogLine{Seq: 1, Level: "info", Message: "hello from " + inv.Script.Name, At: time.Now()})
		}
		return &engine.Result{Began: true, StartedAt: time.Now(), EndedAt: time.Now()}, nil
	})
	acme, other := n.tenant("acme"), n.tenant("other")
	mine := acme.script("mine", map[string]any{"type": "embedded", "status": "active"})
	other.script("theirs", map[string]any{"type": "embedded", "status": "active"})
	other.get("/api/v1/logs/tail?script_id="+mine).refused(404, "not_found")
	acme.get("/api/v1/logs/tail?script_id=x").refused(422, "validation_failed")

	lines, _ := n.tail(acme, "")
	other.post("/api/v1/invoke/theirs", "1").is(200)
	acme.post("/api/v1/invoke/mine", "1").is(200)
	var text strings.Builder
	for !strings.Contains(text.String(), "hello from mine") {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		text.WriteString(line)
	}
	require.Contains(t, text.String(), "event: log\n")
	require.NotContains(t, text.String(), "theirs")
}

// TestTailShowsEndsAndFilters: what wrote nothing, what failed, and what was refused, by status, level and text.
func TestTailShowsEndsAndFilters(t *testing.T) {
	t.Parallel()
	var hub *logtail.Hub
	ending := &executor{}
	n := startNode(t, func(c *httpapi.Config) {
		var err error
		hub, err = logtail.New(logtail.Config{NodeID: [16]byte{1}, DB: c.Pool, Log: c.Log})
		require.NoError(t, err)
		c.Tail = hub
		c.Executor = hub.Executor(ending)
	})
	acme := n.tenant("acme")
	acme.script("job", map[string]any{"type": "embedded", "status": "active"})
	for _, query := range []string{"status=done", "level=fatal", "status=failed,done", "text=" + strings.Repeat("x", 201)} {
		acme.get("/api/v1/logs/tail?"+query).refused(422, "validation_failed")
	}
	ending.set(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		res := &engine.Result{Began: true, StartedAt: time.Now(), EndedAt: time.Now(), Output: []byte("1")}
		switch string(inv.Input) {
		case `"fail"`:
			inv.Lines.Line(inv, engine.LogLine{Seq: 1, Level: "warn", Message: "about to fail", At: time.Now()})
			res.Code, res.Message, res.Stack = engine.CodeException, "Error: no", "Error: no\n    at run (job.ts:1:2)"
		case `"refuse"`:
			return nil, &engine.RefusedError{Code: engine.CodeConcurrencyLimit, Scope: engine.ScopeScript, Detail: "all in use", RetryAfter: time.Second}
		}
		return res, nil
	})
	want := map[string][]string{
		"":                         {"api completed", "about to fail", "api exception", "api refused"},
		"status=failed":            {"api exception"},
		"status=refused,completed": {"api completed", "api refused"},
		"status=running":           {"about to fail"},
		"level=warn":               {"about to fail", "api exception", "api refused"},
		"level=error":              {"api exception"},
		"text=JOB.TS":              {"api exception"},
	}
	streams := map[string]*bufio.Reader{}
	for query := range want {
		streams[query], _ = n.tailOf(acme, query, "")
	}
	acme.post("/api/v1/invoke/job", `"pass"`).is(200)
	acme.post("/api/v1/invoke/job", `"fail"`).is(422)
	acme.post("/api/v1/invoke/job", `"refuse"`).is(429)
	for query, messages := range want {
		for _, message := range messages {
			kind, data := "", ""
			for data == "" {
				line, err := streams[query].ReadString('\n')
				require.NoError(t, err)
				if text, ok := strings.CutPrefix(line, "event: "); ok {
					kind = strings.TrimSpace(text)
				}
				data, _ = strings.CutPrefix(line, "data: ")
				if !strings.HasPrefix(line, "data: ") {
					data = ""
				}
			}
			var e map[string]any
			require.NoError(t, json.Unmarshal([]byte(data), &e))
			require.True(t, strings.HasPrefix(e["message"].(string), message), "%q: %s, not %s", query, data, message)
			require.Equal(t, "job", e["script_name"])
			require.Equal(t, e["kind"], kind)
			if message == "api exception" {
				require.Equal(t, "execution.ended", kind)
				require.Equal(t, []any{"api", "failed", "exception", "Error: no", "Error: no\n    at run (job.ts:1:2)"},
					[]any{e["trigger_type"], e["status"], e["outcome"], e["error"], e["error_stack"]})
				require.Contains(t, e, "duration_ms")
			}
		}
	}
}

// tail opens a stream, which end closes.
func (n *node) tail(who caller, lastEventID string) (lines *bufio.Reader, end func()) {
	n.t.Helper()
	return n.tailOf(who, "", lastEventID)
}

func (n *node) tailOf(who caller, query, lastEventID string) (lines *bufio.Reader, end func()) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(n.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.server.URL+"/api/v1/logs/tail?"+query, nil)
	require.NoError(n.t, err)
	req.Header.Set("Authorization", "Bearer "+who.key)
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(n.t, err)
	end = sync.OnceFunc(func() {
		cancel()
		_ = res.Body.Close()
	})
	n.t.Cleanup(end)
	require.Equal(n.t, http.StatusOK, res.StatusCode)
	require.Equal(n.t, "text/event-stream", res.Header.Get("Content-Type"))
	lines = bufio.NewReader(res.Body)
	first, err := lines.ReadString('\n')
	require.NoError(n.t, err)
	require.Equal(n.t, ": watching\n", first)
	return lines, end
}

// TestLogTailLimit opens as many streams as a tenant may, and one more.
func TestLogTailLimit(t *testing.T) {
	t.Parallel()
	var hub *logtail.Hub
	n := startNode(t, func(c *httpapi.Config) {
		var err error
		hub, err = logtail.New(logtail.Config{NodeID: [16]byte{1}, DB: c.Pool, Log: c.Log, TenantWatchers: 2})
		require.NoError(t, err)
		c.Tail = hub
	})
	acme, other := n.tenant("acme"), n.tenant("other")
	n.tail(acme, "")
	_, end := n.tail(acme, "")
	full := acme.get("/api/v1/logs/tail")
	require.Contains(t, full.refused(429, "tail_limit")["detail"], "limit 2")
	require.NotEmpty(t, full.header.Get("Retry-After"))
	n.tail(other, "")
	end()
	tenant := uuid.MustParse(acme.get("/api/v1/whoami").is(200).json()["tenant"].(map[string]any)["id"].(string))
	require.Eventually(t, func() bool { // the server hears a moment later that the client has gone
		w, err := hub.Watch(tenant, logtail.Filter{})
		if err == nil {
			w.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	lines, _ := n.tail(acme, "5")
	text := ""
	for !strings.Contains(text, "data:") {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		text += line
	}
	require.Contains(t, text, "event: notice\ndata: {\"code\":\"lines_missing\"")
}
