package httpapi_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"jsruntime/engine"
	"jsruntime/engine/logtail"
	"jsruntime/httpapi"
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

// tail opens a stream, which end closes.
func (n *node) tail(who caller, lastEventID string) (lines *bufio.Reader, end func()) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(n.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.server.URL+"/api/v1/logs/tail", nil)
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
		w, err := hub.Watch(tenant, uuid.Nil)
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
