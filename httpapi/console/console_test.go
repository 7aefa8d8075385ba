package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"jsruntime/httpapi/console"
)

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func TestConsoleLoadsItsOwnFilesOnly(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	resp, page := get(t, s.URL+"/console/")
	require.Equal(t, 200, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		resp, body := get(t, s.URL+"/console/"+link[1])
		require.Equal(t, 200, resp.StatusCode, link[1])
		require.NotEmpty(t, resp.Header.Get("Content-Type"))
		require.NotContains(t, strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, ""), "http://")
		require.NotContains(t, body, "innerHTML")
	}
	for _, path := range []string{"/console/../console.go", "/console/nothing.js", "/console/%2e%2e/console.go"} {
		resp, _ = get(t, s.URL+path)
		require.Equal(t, 404, resp.StatusCode, path)
	}
	resp, _ = get(t, s.URL+"/console")
	require.Equal(t, 301, resp.StatusCode)
}
