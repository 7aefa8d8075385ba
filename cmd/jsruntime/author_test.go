//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/migrations/dbtest"
)

// someone is a person at a shell: with a folder, a config folder and variables.
type someone struct {
	t      *testing.T
	dir    string
	config string
	env    map[string]string
	stdin  string
}

func newSomeone(t *testing.T, n *process, key string) *someone {
	return &someone{t: t, dir: t.TempDir(), config: t.TempDir(), env: map[string]string{"JSRUNTIME_URL": n.base, "JSRUNTIME_KEY": key}}
}

// try runs a command line and returns its exit code, stdout and stderr.
func (s *someone) try(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	code = execute(s.t.Context(), args, &author.Program{Dir: s.dir}, &streams{in: strings.NewReader(s.stdin), out: &out, err: &errs, getenv: func(name string) string {
		if name == "XDG_CONFIG_HOME" {
			return s.config
		}
		return s.env[name]
	}})
	s.stdin = ""
	if key := s.env["JSRUNTIME_KEY"]; key != "" {
		require.NotContains(s.t, out.String()+errs.String(), key, "a key is in no output: %v", args)
	}
	return code, out.String(), errs.String()
}

// must is try with exit code 0. It returns stdout.
func (s *someone) must(args ...string) string {
	s.t.Helper()
	code, out, errs := s.try(args...)
	require.Zero(s.t, code, "%v:\n%s%s", args, out, errs)
	return out
}

// answer is must with --json, decoded.
func (s *someone) answer(args ...string) map[string]any {
	s.t.Helper()
	out := s.must(append(args, "--json")...)
	var v map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(out), &v), out)
	return v
}

func (s *someone) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(s.t, os.WriteFile(file, []byte(text), 0o600))
}

// TestAuthor runs the commands of authors against one node. Each subtest has a tenant of its own.
func TestAuthor(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	for _, part := range []struct {
		name string
		test func(t *testing.T, n *process, s *someone)
	}{
		{"login", authorLogin},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, n, newSomeone(t, n, n.tenant("author-"+part.name)))
		})
	}
}

func authorLogin(t *testing.T, n *process, s *someone) {
	key := s.env["JSRUNTIME_KEY"]
	require.Equal(t, "author-login", s.answer("whoami")["tenant"].(map[string]any)["slug"])
	require.Contains(t, s.must("whoami"), "author-login")

	s.env = map[string]string{}
	code, _, errs := s.try("whoami")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "jsruntime login")
	s.stdin = "jsr_wrong\n"
	code, _, errs = s.try("login", "--url", n.base)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "unauthorized")
	require.NotContains(t, errs, "jsr_wrong")
	s.stdin = key + "\n"
	out := s.must("login", "--url", n.base+"/")
	require.NotContains(t, out, key)
	file := filepath.Join(s.config, "jsruntime", "profiles.json")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Contains(t, s.must("whoami"), "author-login")
	// A kept key goes to the URL that it was kept with, and nowhere else.
	code, _, errs = s.try("whoami", "--url", "http://127.0.0.1:1")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no key for http://127.0.0.1:1")
	code, _, errs = s.try("whoami", "--profile", "other")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "--profile other")
	s.must("logout")
	code, _, _ = s.try("whoami")
	require.Equal(t, 1, code)

	code, _, errs = s.try("whoami", "--url", "ftp://x")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "url: must be an http or https URL")
	code, _, _ = s.try("whoami", "--nonsense")
	require.Equal(t, 2, code)
	s.env["JSRUNTIME_URL"], s.env["JSRUNTIME_KEY"] = n.base, "jsr_nobody"
	code, out, _ = s.try("whoami", "--json")
	require.Equal(t, 1, code)
	var failed struct{ Error struct{ Code string } }
	require.NoError(t, json.Unmarshal([]byte(out), &failed), out)
	require.Equal(t, "unauthorized", failed.Error.Code)
}
