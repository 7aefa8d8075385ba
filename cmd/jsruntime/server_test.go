package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"jsruntime/engine"
)

func TestUnreadBodyDoesNotHoldTheConnection(t *testing.T) {
	t.Parallel()
	var draining atomic.Bool
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := newServer(&front{origins: noOrigins(t), gateway: refuse, console: refuse, api: refuse, draining: &draining}, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /t/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err, "the server closes by itself")
}

type ranExecutor int

func (e *ranExecutor) Execute(context.Context, *engine.Invocation) (*engine.Result, error) {
	*e++
	return &engine.Result{}, nil
}

type refusals struct {
	engine.NopObserver
	scopes []string
}

func (r *refusals) ExecutionRefused(_ *engine.Invocation, err *engine.RefusedError) {
	r.scopes = append(r.scopes, string(err.Scope))
}

// A script must not run where its row has no room: its caller is told to try again, and what it did would be done twice.
func TestNothingRunsThatCannotBeWrittenDown(t *testing.T) {
	t.Parallel()
	var ran ranExecutor
	full := true
	var observer refusals
	guarded := &whileRoom{next: &ran, full: func() bool { return full }, observer: &observer}
	_, err := guarded.Execute(t.Context(), &engine.Invocation{})
	var refused *engine.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, engine.CodeOverloaded, refused.Code)
	require.Positive(t, refused.RetryAfter)
	require.Zero(t, ran)
	require.Equal(t, []string{"ledger"}, observer.scopes)
	full = false
	_, err = guarded.Execute(t.Context(), &engine.Invocation{})
	require.NoError(t, err)
	require.EqualValues(t, 1, ran)
}
