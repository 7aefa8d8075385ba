package problem_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/problem"
)

// TestOneWriter: an answer to a request and a response of its own on a connection have the same head and body, and HEAD gets the head alone.
func TestOneWriter(t *testing.T) {
	t.Parallel()
	p := problem.New(http.StatusServiceUnavailable, "busy", `a "<quoted>" text`).RetryAfter(1500 * time.Millisecond)
	const body = `{"type":"/docs/errors#busy","title":"Service Unavailable","status":503,"detail":"a \"<quoted>\" text","code":"busy"}` + "\n"

	get, head := httptest.NewRecorder(), httptest.NewRecorder()
	p.Write(get, httptest.NewRequest(http.MethodGet, "/", nil))
	p.Write(head, httptest.NewRequest(http.MethodHead, "/", nil))
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p.Response())), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)

	require.Equal(t, body, get.Body.String())
	require.Equal(t, body, string(raw))
	require.Empty(t, head.Body.String())
	require.True(t, response.Close)
	for _, h := range []http.Header{get.Header(), head.Header(), response.Header} {
		require.Equal(t, problem.ContentType, h.Get("Content-Type"))
		require.Equal(t, "2", h.Get("Retry-After"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", h.Get("Cache-Control"))
	}
	require.Equal(t, strconv.Itoa(len(body)), get.Header().Get("Content-Length"))
	require.EqualValues(t, len(body), response.ContentLength)
	require.Equal(t, []int{503, 503, 503}, []int{get.Code, head.Code, response.StatusCode})
}
