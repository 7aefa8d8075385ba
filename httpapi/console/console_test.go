package console_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/console"
)

func get(t *testing.T, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

var (
	pageLink = regexp.MustCompile(`(?:src|href)="(/console/[^"]+)"`)
	imported = regexp.MustCompile(`(?:from|import)\s*"(\./[^"]+)"`)
	lazy     = regexp.MustCompile(`import\("(\./[^"]+)"\)`)
	// curlLine is what pages show a person who has a key.
	curlLine = regexp.MustCompile(`-H[", ']+Authorization: Bearer \$[A-Z]+`)
)

// reach returns the files that a page loads, by following the links that find matches.
func reach(t *testing.T, base string, find ...*regexp.Regexp) map[string]string {
	t.Helper()
	_, page := get(t, base+"/console/")
	seen := map[string]string{"/console/": page}
	var next []string
	for _, link := range pageLink.FindAllStringSubmatch(page, -1) {
		next = append(next, link[1])
	}
	for len(next) > 0 {
		link := next[0]
		next = next[1:]
		if _, ok := seen[link]; ok {
			continue
		}
		resp, body := get(t, base+link)
		require.Equal(t, 200, resp.StatusCode, link)
		require.NotEmpty(t, resp.Header.Get("Content-Type"), link)
		seen[link] = body
		for _, f := range find {
			for _, other := range f.FindAllStringSubmatch(body, -1) {
				next = append(next, "/console/assets/"+strings.TrimPrefix(other[1], "./"))
			}
		}
	}
	return seen
}

// Everything that the page loads is its own, and what is built is all reached.
func TestConsoleLoadsItsOwnFilesOnly(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	files := reach(t, s.URL, imported, lazy)
	built, err := os.ReadDir("static/assets")
	require.NoError(t, err)
	require.Greater(t, len(built), 10)
	all := strings.Join(slices.Collect(maps.Values(files)), "\n")
	for _, f := range built {
		docs := slices.Contains([]string{console.Asset("docs", ".js"), console.Asset("docs", ".css")}, "/console/assets/"+f.Name()) // of the pages of /docs
		require.True(t, docs || strings.Contains(all, f.Name()), "%s is not used", f.Name())                                        // a worker's name is a text
	}
	for name, body := range files {
		body = curlLine.ReplaceAllString(body, "")
		for _, word := range []string{`src="http`, `import"http`, `from"http`, `url(http`, `url("http`, "sourceMappingURL", "Authorization"} {
			require.False(t, strings.Contains(body, word), "%s has %s", name, word)
		}
	}
	for _, path := range []string{
		"/console/../console.go", "/console/nothing.js", "/console/%2e%2e/console.go", "/console/assets/nothing.js", "/console/assets/", "/console/assets",
		"/console/index.html", "/console/scripts/..%5c..", "/console/scripts/a.b", "/console//evil", "/console/scripts//x", "/console/\\evil",
	} {
		resp, _ := get(t, s.URL+path)
		if path == "/console/assets" { // an address of the page, of which the page says that there is none
			require.Equal(t, 200, resp.StatusCode)
			continue
		}
		require.Equal(t, 404, resp.StatusCode, path)
	}
	resp, _ := get(t, s.URL+"/console")
	require.Equal(t, 301, resp.StatusCode)
}

// Every address of a page is answered with the page.
func TestAddresses(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	_, page := get(t, s.URL+"/console/")
	for _, path := range []string{"/console/scripts", "/console/scripts/", "/console/scripts/0190a2b4-0000-7000-8000-000000000000?tab=versions", "/console/dead-letters"} {
		resp, body := get(t, s.URL+path)
		require.Equal(t, 200, resp.StatusCode, path)
		require.Equal(t, page, body, path)
		require.Equal(t, "no-cache", resp.Header.Get("Cache-Control"))
	}
}

// A file of the bundle is kept by the browser for good and sent compressed; the page is asked for each time.
func TestCaching(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	for name, body := range reach(t, s.URL, imported, lazy) {
		plain, _ := get(t, s.URL+name)
		resp, zipped := get(t, s.URL+name, "Accept-Encoding", "br, gzip;q=0.5")
		require.Equal(t, "Accept-Encoding", resp.Header.Get("Vary"))
		if strings.HasPrefix(name, "/console/assets/") {
			require.Contains(t, resp.Header.Get("Cache-Control"), "immutable", name)
		} else {
			require.Equal(t, "no-cache", resp.Header.Get("Cache-Control"), name)
		}
		if resp.Header.Get("Content-Encoding") == "gzip" {
			require.NotEqual(t, plain.Header.Get("ETag"), resp.Header.Get("ETag"))
			r, err := gzip.NewReader(strings.NewReader(zipped))
			require.NoError(t, err)
			same, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, body, string(same), name)
		}
		again, _ := get(t, s.URL+name, "If-None-Match", plain.Header.Get("ETag"))
		require.Equal(t, 304, again.StatusCode, name)
		refused, _ := get(t, s.URL+name, "Accept-Encoding", "gzip;q=0")
		require.Empty(t, refused.Header.Get("Content-Encoding"), name)
	}
}

// The first load has at most 150 KiB, compressed: the page, its style, and the code that it loads before a page of the console is chosen,
// with the largest page but the editor's on top.
func TestWeight(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	weigh := func(files map[string]string) (all int) {
		for _, body := range files {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write([]byte(body))
			require.NoError(t, z.Close())
			all += b.Len()
		}
		return all
	}
	first := weigh(reach(t, s.URL, imported))
	t.Logf("first load: %d bytes compressed", first)
	require.Less(t, first, 100<<10)
}

// The sources have no way to make markup of a text, and read no key.
func TestSources(t *testing.T) {
	t.Parallel()
	sources := 0
	require.NoError(t, filepath.WalkDir("src", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".ts") && !strings.HasSuffix(path, ".tsx") {
			return err
		}
		sources++
		body, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "Authorization", "dangerouslySetInnerHTML"} {
			require.False(t, strings.Contains(curlLine.ReplaceAllString(string(body), ""), word), "%s has %s", path, word)
		}
		if filepath.Base(path) != "prefs.ts" {
			require.NotContains(t, string(body), "localStorage", path)
		}
		return nil
	}))
	require.Greater(t, sources, 20)
}

// Every answer has the headers, those of errors as well.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(console.Handler())
	t.Cleanup(s.Close)
	for path := range reach(t, s.URL, imported, lazy) {
		checkHeaders(t, s.URL, path)
	}
	for _, path := range []string{"/console/", "/console/icon.svg", "/console/nothing.js", "/console/scripts/x", "/console"} {
		checkHeaders(t, s.URL, path)
	}
}

func checkHeaders(t *testing.T, base, path string) {
	t.Helper()
	resp, _ := get(t, base+path)
	policy := map[string]string{}
	for _, directive := range strings.Split(resp.Header.Get("Content-Security-Policy"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
		policy[name] = value
	}
	require.Equal(t, map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'", "connect-src": "'self'", "base-uri": "'none'",
		"form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "jsruntime-worker",
	}, policy, path)
	for name, want := range map[string]string{
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	} {
		require.Equal(t, want, resp.Header.Get(name), "%s %s", path, name)
	}
	require.Contains(t, resp.Header.Get("Permissions-Policy"), "camera=()")
}
