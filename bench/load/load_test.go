package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunCountsWhatTheServerSaw(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		switch r.URL.Path {
		case "/chunked":
			w.(http.Flusher).Flush()
			_, _ = w.Write([]byte("part"))
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		default:
			_, _ = w.Write([]byte("ok"))
		}
	}))
	defer srv.Close()
	res, err := Run(t.Context(), Config{
		Address: strings.TrimPrefix(srv.URL, "http://"), Paths: []string{"/", "/chunked", "/teapot"},
		Connections: 4, Duration: 200 * time.Millisecond,
	})
	require.NoError(t, err)
	require.Empty(t, res.Errors)
	require.NotZero(t, res.Status[200])
	require.NotZero(t, res.Status[418])
	require.Len(t, res.Latencies, res.Requests)
	// Each connection may have one answer that came after the end, which is not counted.
	require.InDelta(t, seen.Load(), res.Requests, 4)
	require.LessOrEqual(t, res.Quantile(.5), res.Quantile(.99))
}

// A server that stops for a while must show in an open loop: the requests that were due meanwhile have waited.
func TestOpenLoopChargesAStall(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 10 {
			time.Sleep(stall)
		}
		_, _ = w.Write([]byte("ok"))
	}))
	defer srv.Close()
	res, err := Run(t.Context(), Config{
		Address: strings.TrimPrefix(srv.URL, "http://"), Connections: 1, Rate: 100, Duration: time.Second,
	})
	require.NoError(t, err)
	late := 0
	for _, l := range res.Latencies {
		if l > stall/4 {
			late++
		}
	}
	require.Greater(t, late, 10, "only %d of %d answers were charged with the stall", late, res.Requests)
}
