package client

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const testKey = "jsr_a_key_that_is_said_nowhere"

func TestRetriesWhatWasRefused(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	keys := make(chan string, 3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if calls.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[calls.Load()-1])
			return
		}
		_, _ = w.Write([]byte(`{"ok": true}`))
	}))
	defer server.Close()
	waits := 0
	c := New(Config{URL: server.URL, Key: testKey, Waiting: func(time.Duration, string) { waits++ }})
	var out struct{ OK bool }
	require.NoError(t, c.Post(t.Context(), "/x", nil, map[string]any{"a": 1}, &out))
	require.True(t, out.OK)
	require.Equal(t, 2, waits)
	first := <-keys
	require.NotEmpty(t, first)
	require.Equal(t, []string{first, first}, []string{<-keys, <-keys}, "a retry is the same request")
}

func TestGivesUp(t *testing.T) {
	t.Parallel()
	answer := func(status int, header, value, body string) error {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		defer server.Close()
		err := New(Config{URL: server.URL, Key: testKey}).Get(t.Context(), "/x", nil, nil)
		require.Error(t, err)
		require.NotContains(t, err.Error(), testKey)
		return err
	}
	require.ErrorContains(t, answer(503, "Retry-After", "3600", `{"detail": "No worker is free.", "code": "overloaded"}`), "No worker is free. (overloaded)")
	require.ErrorContains(t, answer(302, "Location", "http://127.0.0.1:1/", ""), "points elsewhere")
	require.ErrorContains(t, answer(502, "X-Any", "x", "<html>"), "502")
	var p *Problem
	require.ErrorAs(t, answer(422, "X-Any", "x", `{"title": "Unprocessable", "detail": "Two things.", "errors": [{"location": "body.name", "message": "too long"}]}`), &p)
	require.Equal(t, "Two things.\n  body.name: too long", p.Error())
	require.ErrorContains(t, New(Config{URL: "http://127.0.0.1:1", Key: testKey}).Get(t.Context(), "/x", nil, nil), "http://127.0.0.1:1 cannot be reached")
}

// TestBrokenConnection: a connection that ends in the middle is told as what it is, since the node may have done what was asked for.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	defer server.Close()
	c := New(Config{URL: server.URL, Key: "jsr_secret"})
	err := c.Post(t.Context(), "/api/v1/import", nil, map[string]any{}, nil)
	require.ErrorContains(t, err, "the connection broke before the answer came; what was asked for may have been done")
	require.NotContains(t, err.Error(), "jsr_secret")
	server.Close()
	require.ErrorContains(t, c.Get(t.Context(), "/", nil, nil), "cannot be reached")
}
