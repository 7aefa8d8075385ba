//go:build linux

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthSaysWhatReadyzSays(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		if !slices.Contains(r.URL.Query()["exclude"], "database") {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		}
	}))
	var out, errs bytes.Buffer
	askFor := func(args ...string) (int, string) {
		out.Reset()
		errs.Reset()
		none := func(string) string { return "" }
		return run(t.Context(), append([]string{"health", "--url", server.URL}, args...), none, &out, &errs), out.String()
	}
	ask := func(args ...string) (int, string) {
		code, _ := askFor(args...)
		return code, errs.String()
	}
	code, said := ask()
	require.Equal(t, 1, code)
	require.Contains(t, said, "the database does not answer")
	code, said = ask("--exclude", "database")
	require.Equal(t, 0, code, said)
	require.Equal(t, []string{"/readyz?", "/readyz?exclude=database"}, asked)
	code, answer := askFor("--exclude", "database", "--json")
	require.Equal(t, 0, code)
	require.JSONEq(t, `{"ready": true}`, answer)
	server.Close()
	code, _ = ask("--exclude", "database")
	require.Equal(t, 1, code, "nobody listens")
}
