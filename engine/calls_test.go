package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
	"example.com/jsruntime/engine/redact"
)

// TestCallsAreKept: what an execution asked of the node is in its Result, without credentials, and nothing of it where its history wants none.
func TestCallsAreKept(t *testing.T) {
	t.Parallel()
	var status int
	var answer func() (*engine.HostReply, error)
	target := "https://u:p@example.com/s3cretvalue/a?token=t0k&q=1#f"
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Secrets = func(uuid.UUID) *redact.Values { return redact.NewValues([]string{"s3cretvalue"}) }
		c.Host = hostFunc(func(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
			call.Note = engine.CallNote{Operation: "GET", Target: target, Status: status}
			return answer()
		})
	})
	tenant := enginetest.NewTenant()
	run := func(history *engine.History) []engine.Call {
		t.Helper()
		s := tenant.Script("download", nil)
		s.History = history
		return enginetest.Execute(t, e, enginetest.Invocation(s, "null")).Calls
	}

	status = 502
	answer = func() (*engine.HostReply, error) {
		return &engine.HostReply{Payload: json.RawMessage(`{"status":502}`), Body: []byte("abc")}, nil
	}
	calls := run(nil)
	require.Len(t, calls, 1)
	c := calls[0]
	require.Equal(t, engine.Call{
		Kind: "fetch", Operation: "GET", Target: "https://example.com/[redacted]/a?token=%5Bredacted%5D&q=1", Status: 502, ResponseBytes: 3,
	}, engine.Call{Kind: c.Kind, Operation: c.Operation, Target: c.Target, Status: c.Status, ResponseBytes: c.ResponseBytes, Bodies: c.Bodies, Error: c.Error})
	require.False(t, c.StartedAt.IsZero())
	for _, history := range []*engine.History{{Calls: engine.CallsNone}, {Store: engine.HistoryNone, Calls: engine.CallsBodies}} {
		require.Empty(t, run(history))
	}
	require.Nil(t, run(&engine.History{Calls: engine.CallsBodies, NoBodies: true})[0].Bodies)
	require.Equal(t, "abc", string(run(&engine.History{Calls: engine.CallsBodies})[0].Bodies.Body))

	status = 0
	answer = func() (*engine.HostReply, error) {
		return nil, &engine.HostError{Name: "TypeError", Code: "fetch_blocked", Message: "no: s3cretvalue " + strings.Repeat("x", 2*engine.MaxCallError)}
	}
	c = run(nil)[0]
	require.Equal(t, "fetch_blocked", c.ErrorCode)
	require.Contains(t, c.Error, "TypeError: no: [redacted]")
	require.LessOrEqual(t, len(c.Error), engine.MaxCallError)
	answer = func() (*engine.HostReply, error) { return nil, fmt.Errorf("of ours") }
	require.Equal(t, "Error: internal error", run(nil)[0].Error)

	// A body that comes in pieces counts whole, and is kept where it fits.
	for _, size := range []int{engine.MaxCallBody, engine.MaxCallBody + 1} {
		body := strings.Repeat("b", size)
		answer = func() (*engine.HostReply, error) {
			return &engine.HostReply{Payload: json.RawMessage(`{"status":200}`), Body: []byte(body[:3]), BodyStream: io.NopCloser(strings.NewReader(body[3:]))}, nil
		}
		c = run(&engine.History{Calls: engine.CallsBodies})[0]
		require.EqualValues(t, size, c.ResponseBytes)
		require.Equal(t, size > engine.MaxCallBody, c.Bodies.NoBody)
		if !c.Bodies.NoBody {
			require.Equal(t, body, string(c.Bodies.Body))
		}
	}
	target = "https://example.com/" + strings.Repeat("ä", engine.MaxCallTarget)
	require.LessOrEqual(t, len(run(nil)[0].Target), engine.MaxCallTarget)
}
