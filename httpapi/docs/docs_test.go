package docs_test

import (
	"encoding/json"
	"html"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/docs"
	"example.com/jsruntime/httpapi/problem"
)

func pages(t *testing.T) *docs.Docs {
	t.Helper()
	return httpapi.Docs()
}

var (
	links = regexp.MustCompile(`href="([^"]+)"`)
	code  = regexp.MustCompile(`(?s)<code data-script="(\w+)">(.*?)</code>`)
)

// Every link of a page leads to a page that is there, and to a place on it.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	d := pages(t)
	require.Greater(t, len(d.Paths()), 12)
	elsewhere := map[string]bool{"/console/": true, "/console/icon.svg": true, "/openapi.json": true, "/jsruntime.d.ts": true}
	tried := 0
	for _, at := range d.Paths() {
		page, _ := d.Page(at)
		for _, link := range links.FindAllStringSubmatch(string(page), -1) {
			to := html.UnescapeString(link[1])
			if elsewhere[to] || strings.HasPrefix(to, "/console/assets/") {
				continue
			}
			path, id, _ := strings.Cut(to, "#")
			text := page
			if path != "" {
				require.True(t, strings.HasPrefix(path, docs.Prefix), "%s links to %s", at, to)
				other, ok := d.Page(strings.Trim(strings.TrimPrefix(path, docs.Prefix), "/"))
				require.True(t, ok, "%s links to %s", at, to)
				text = other
			}
			if id != "" && id != "content" {
				require.Contains(t, string(text), `id="`+id+`"`, "%s links to %s", at, to)
			}
			tried++
		}
	}
	require.Greater(t, tried, 500)
}

// Every script that the pages show compiles, with the handler that it is shown for.
func TestScriptsCompile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("pages/*.html")
	require.NoError(t, err)
	tried := 0
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of this package
		require.NoError(t, err)
		for _, found := range code.FindAllStringSubmatch(string(text), -1) {
			out, err := compile.Compile(t.Context(), compile.Input{Source: html.UnescapeString(found[2]), Handler: found[1]})
			require.NoError(t, err, "%s: %s", file, found[2])
			require.False(t, out.Missing(found[1]), "%s: %s", file, found[2])
			tried++
		}
	}
	require.Greater(t, tried, 8)
}

// Each operation of the API and each code has its place, and the search finds it.
func TestNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	d := pages(t)
	spec, err := httpapi.Document()
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			Tags        []string
		}
	}
	require.NoError(t, json.Unmarshal(spec, &document))
	answer := httptest.NewRecorder()
	d.ServeHTTP(answer, httptest.NewRequest("GET", "/docs/search.json", nil))
	search := answer.Body.String()
	operations := 0
	for path, item := range document.Paths {
		for _, op := range item {
			page, ok := d.Page("reference/" + strings.ReplaceAll(strings.ToLower(op.Tags[0]), " ", "-"))
			require.True(t, ok, op.Tags)
			require.Contains(t, string(page), `id="`+op.OperationID+`"`)
			require.Contains(t, search, "#"+op.OperationID+`"`, path)
			operations++
		}
	}
	require.Greater(t, operations, 50)
	page, _ := d.Page("errors")
	for name := range problem.Codes {
		require.Contains(t, string(page), `id="`+name+`"`)
		require.Contains(t, search, `"/docs/errors#`+name+`"`)
	}
}

func TestPagesOverHTTP(t *testing.T) {
	t.Parallel()
	d, err := docs.New(docs.Config{Document: &huma.OpenAPI{Components: &huma.Components{Schemas: huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)}}, Script: "/console/assets/docs-x.js"})
	require.NoError(t, err)
	for path, status := range map[string]int{"/docs": 200, "/docs/": 200, "/docs/errors": 200, "/docs/errors/": 200, "/docs/nothing": 404, "/docs/../x": 404} {
		answer := httptest.NewRecorder()
		d.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		require.Equal(t, status, answer.Code, path)
	}
	answer := httptest.NewRecorder()
	d.ServeHTTP(answer, httptest.NewRequest("GET", "/docs/errors", nil))
	again := httptest.NewRequest("GET", "/docs/errors", nil)
	again.Header.Set("If-None-Match", answer.Header().Get("ETag"))
	answer = httptest.NewRecorder()
	d.ServeHTTP(answer, again)
	require.Equal(t, 304, answer.Code)
}
