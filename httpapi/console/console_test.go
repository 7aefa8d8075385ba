package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/console"
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
	links := []string{"api.js"} // imported by console.js
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		links = append(links, link[1])
	}
	require.Greater(t, len(links), 3)
	for _, link := range links {
		resp, body := get(t, s.URL+"/console/"+link)
		require.Equal(t, 200, resp.StatusCode, link)
		require.NotEmpty(t, resp.Header.Get("Content-Type"))
		require.NotContains(t, strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, ""), "http://")
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "Authorization"} {
			require.NotContains(t, body, word, link)
		}
		for _, imported := range regexp.MustCompile(`from "([^"]+)"`).FindAllStringSubmatch(body, -1) {
			require.Equal(t, "./api.js", imported[1])
		}
	}
	for _, path := range []string{"/console/../console.go", "/console/nothing.js", "/console/%2e%2e/console.go"} {
		resp, _ = get(t, s.URL+path)
		require.Equal(t, 404, resp.StatusCode, path)
	}
	resp, _ = get(t, s.URL+"/console")
	require.Equal(t, 301, resp.StatusCode)
}

// Every answer has the headers, those of errors as well.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	for _, path := range []string{"/console/", "/console/console.js", "/console/console.css", "/console/icon.svg", "/console/nothing", "/console"} {
		resp, _ := get(t, s.URL+path)
		policy := map[string]string{}
		for _, directive := range strings.Split(resp.Header.Get("Content-Security-Policy"), ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
			policy[name] = value
		}
		require.Equal(t, map[string]string{
			"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'", "connect-src": "'self'", "base-uri": "'none'",
			"form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "'none'",
		}, policy, path)
		for name, want := range map[string]string{
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		} {
			require.Equal(t, want, resp.Header.Get(name), "%s %s", path, name)
		}
		require.Contains(t, resp.Header.Get("Permissions-Policy"), "camera=()")
	}
}
