package httpapi_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

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
		if inv.OnLog != nil { // nobody watches otherwise
			inv.OnLog(engine.LogLine{Seq: 1, Level: "info", Message: "hello from " + inv.Script.Name, At: time.Now()})
		}
		return &engine.Result{Began: true, StartedAt: time.Now(), EndedAt: time.Now()}, nil
	})
	acme, other := n.tenant("acme"), n.tenant("other")
	mine := acme.script("mine", map[string]any{"type": "embedded"})
	other.script("theirs", map[string]any{"type": "embedded"})
	other.get("/api/v1/logs/tail?script_id="+mine).refused(404, "not_found")
	acme.get("/api/v1/logs/tail?script_id=x").refused(422, "validation_failed")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.server.URL+"/api/v1/logs/tail", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+acme.key)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewReader(res.Body)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, ": watching\n", first)

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
