//go:build linux

package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/origin"
)

// answered returns what was counted, by group and code, and how many durations.
func answered(t *testing.T, registry *prometheus.Registry) (counts map[string]float64, timed uint64) {
	families, err := registry.Gather()
	require.NoError(t, err)
	counts = map[string]float64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			key := ""
			for _, label := range metric.GetLabel() {
				key = label.GetValue() + " " + key // code comes first
			}
			switch f.GetName() {
			case "jsruntime_http_requests_total":
				if n := metric.GetCounter().GetValue(); n > 0 {
					counts[key[:len(key)-1]] = n
				}
			case "jsruntime_http_request_seconds":
				timed += metric.GetHistogram().GetSampleCount()
			}
		}
	}
	return counts, timed
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	cases := []struct {
		path    string
		handler http.HandlerFunc
		want    string
	}{
		{"/t/acme/x", status(201), "endpoint 2xx"},
		{"/t/acme/x", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a")) }, "endpoint 2xx"},
		{"/t/acme/x", func(http.ResponseWriter, *http.Request) {}, "endpoint 2xx"},
		{"/t/acme/x", status(302), "endpoint 3xx"},
		{"/t/acme/x", status(404), "endpoint 4xx"},
		{"/t/acme/x", status(429), "endpoint 429"},
		{"/t/acme/x", status(503), "endpoint 5xx"},
		{"/t/acme/x", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "endpoint 5xx"},
		{"/t/acme/x", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusBadRequest)
			w.WriteHeader(http.StatusOK) // superfluous: it is not sent
		}, "endpoint 4xx"},
		{"/t/acme/x", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, "endpoint 2xx"},
		{"/console/console.js", status(200), "console 2xx"},
		{"/console", status(301), "console 3xx"},
		{"/api/v1/nodes", status(200), "admin 2xx"},
		{"/readyz", status(503), "service 5xx"},
		{"/wp-login.php", status(404), "service 4xx"},
		{"http://acme.localhost/api/v1/nodes", status(200), "endpoint 2xx"},
		{"http://acme.localhost/healthz", status(200), "endpoint 2xx"},
		{"http://a.b.localhost/", status(404), "endpoint 4xx"},
	}
	for _, c := range cases {
		registry := prometheus.NewRegistry()
		handler := newRequests(registry).counting(noOrigins(t), c.handler)
		func() {
			defer func() { _ = recover() }()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.path, nil))
		}()
		counts, timed := answered(t, registry)
		require.Equal(t, map[string]float64{c.want: 1}, counts, c.want)
		require.Equal(t, c.path == "/api/v1/nodes", timed == 1, "durations are the admin API's")
	}
}

func TestAClientThatLeftIsNoAnswerOfOurs(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	ctx, leave := context.WithCancel(t.Context())
	handler := newRequests(registry).counting(noOrigins(t), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leave() }))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/t/acme/x", nil))
	counts, _ := answered(t, registry)
	require.Equal(t, map[string]float64{"endpoint 4xx": 1}, counts)
}

// brokenWriter is a connection whose client has left.
type brokenWriter struct{ http.ResponseWriter }

var errLeft = errors.New("left")

func (brokenWriter) FlushError() error { return errLeft }

// A stream ends when a flush fails because the client has gone, and its time is no request's.
func TestAFlushThatFailsIsSeen(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	handler := newRequests(registry).counting(noOrigins(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		require.ErrorIs(t, http.NewResponseController(w).Flush(), errLeft)
	}))
	handler.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/api/v1/scripts/x/logs", nil))
	_, timed := answered(t, registry)
	require.Zero(t, timed)
}

// noOrigins knows localhost alone.
func noOrigins(t testing.TB) *origin.Map {
	t.Helper()
	origins, err := origin.New(origin.Config{})
	require.NoError(t, err)
	return origins
}

type nobody struct{ header http.Header }

func (n nobody) Header() http.Header       { return n.header }
func (nobody) Write(b []byte) (int, error) { return len(b), nil }
func (nobody) WriteHeader(int)             {}

// TestCountingAllocatesNothing: it is on the path of every endpoint's request.
func TestCountingAllocatesNothing(t *testing.T) {
	handler := newRequests(prometheus.NewRegistry()).counting(noOrigins(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	var w http.ResponseWriter = nobody{http.Header{}}
	r := httptest.NewRequest(http.MethodGet, "/t/acme/x", nil)
	require.Less(t, testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }), 1.0)
}

func BenchmarkCounting(b *testing.B) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	counted := newRequests(prometheus.NewRegistry()).counting(noOrigins(b), next)
	r := httptest.NewRequest(http.MethodGet, "/t/acme/x", nil)
	for name, handler := range map[string]http.Handler{"bare": next, "counted": counted} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var w http.ResponseWriter = nobody{http.Header{}}
				for pb.Next() {
					handler.ServeHTTP(w, r)
				}
			})
		})
	}
}

// The host of a request is looked up once: what is below the counter knows what it found. A map of another listener looks for itself.
func TestHostIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	origins, err := origin.New(origin.Config{TenantDomains: []string{"apps.test"}})
	require.NoError(t, err)
	others := noOrigins(t)
	requests, called := newRequests(prometheus.NewRegistry()), false
	handler := requests.counting(origins, strictTransport(origins, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called = true
		r.Host = "b.apps.test" // no handler does so: it shows who looks again
		require.Equal(t, "a", origins.For(w, r).Slug)
		require.Equal(t, others.Of(r), others.For(w, r))
		require.Equal(t, "b", origins.For(httptest.NewRecorder(), r).Slug)
	})))
	r := httptest.NewRequest(http.MethodGet, "http://a.apps.test/x", http.NoBody)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	require.True(t, called)
}
