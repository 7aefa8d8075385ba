//go:build linux

package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/httpapi/origin"
)

func TestUnreadBodyDoesNotHoldTheConnection(t *testing.T) {
	bothWays(t, unreadBodyDoesNotHoldTheConnection)
}

func unreadBodyDoesNotHoldTheConnection(t *testing.T, lean bool) {
	var draining atomic.Bool
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := newServer(&front{origins: noOrigins(t), gateway: refuse, console: refuse, api: refuse, draining: &draining}, slog.New(slog.DiscardHandler))
	if lean {
		require.NoError(t, server.serveEndpoints(noOrigins(t)))
	}
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

// Heads that two readers understand differently are refused, whomever they are for, and their answer is sandboxed: it might be one
// below /t/. A path that browsers send and net/url does not take reaches its handler as it was sent.
func TestHeadsAreJudgedBeforeTheServerReadsThem(t *testing.T) {
	bothWays(t, headsAreJudgedBeforeTheServerReadsThem)
}

func headsAreJudgedBeforeTheServerReadsThem(t *testing.T, lean bool) {
	var draining atomic.Bool
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := newServer(&front{origins: noOrigins(t), gateway: echo, console: echo, api: echo, draining: &draining}, slog.New(slog.DiscardHandler))
	if lean {
		require.NoError(t, server.serveEndpoints(noOrigins(t)))
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	ask := func(sent string) (*http.Response, string) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = io.WriteString(conn, sent)
		require.NoError(t, err)
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if resp.StatusCode != http.StatusOK {
			require.True(t, resp.Close)
			_, err = reader.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		}
		return resp, string(body)
	}
	for sent, status := range map[string]int{
		"POST /t/acme/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
		"POST /t/acme/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n":                   400,
		"GET /t/acme/x HTTP/1.1\r\n\r\n": 400,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
	} {
		resp, body := ask(sent)
		require.Equal(t, status, resp.StatusCode, sent)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.True(t, strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "sandbox "))
		require.Contains(t, body, `"code":"bad_request"`)
	}
	for _, target := range []string{"/t/acme/100%", "/t/acme/%zz?%", "*"} {
		method := "GET"
		if target == "*" {
			method = "OPTIONS"
		}
		resp, body := ask(method + " " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
		require.Equal(t, 200, resp.StatusCode, target)
		require.Equal(t, target, body)
	}
}

// Which part of the node answers is decided by the host first. The operator's part does not exist on tenants' hosts, nor at a name that
// a stranger points at this machine.
func TestHostsAreKeptApart(t *testing.T) {
	t.Parallel()
	var draining atomic.Bool
	says := func(word string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) })
	}
	origins, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}, OperatorHosts: []string{"console.example.net"}, Loopback: true})
	require.NoError(t, err)
	handler := &front{origins: origins, gateway: says("gateway"), console: says("console"), api: says("api"), draining: &draining}
	paths := map[string]string{
		"/console/": "console", "/console": "console", "/api/v1/tenants": "api", "/docs": "api", "/metrics": "api", "/openapi.json": "api", "/healthz": "api",
		"/readyz": "api", "/jsruntime.d.ts": "api", "/": "<a href=\"/console/\">Found</a>.\n\n", "/t/acme/x": "gateway",
	}
	for path, operator := range paths {
		for host, want := range map[string]string{
			"localhost:8080": operator, "127.0.0.1": operator, "[::1]:8080": operator, "console.example.net": operator, "CONSOLE.example.net:8080": operator,
			"acme.localhost:8080": "gateway", "acme.apps.example.com": "gateway", "a.b.apps.example.com": "gateway", "apps.example.com": "gateway",
			"acme.localhost.": "gateway", "localhost.": "gateway", "evil.example": "misdirected", "console.example.net.evil.example": "misdirected",
		} {
			if want == "misdirected" && (operator == "gateway" || path == "/healthz" || path == "/readyz") {
				want = operator
			}
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if want == "misdirected" {
				require.Equal(t, http.StatusMisdirectedRequest, w.Code, "%s %s", host, path)
				continue
			}
			require.Equal(t, want, w.Body.String(), "%s %s", host, path)
		}
	}
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
