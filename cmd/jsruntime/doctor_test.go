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

	"example.com/jsruntime/migrations/dbtest"
)

// examine runs the doctor as the command line does.
func examine(t *testing.T, env map[string]string, args ...string) (code int, r report, text string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"doctor", "--json"}, args...), func(name string) string { return env[name] }, &out, &errs)
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), "%s%s", out.String(), errs.String())
	require.Equal(t, code == 0, r.Healthy)
	require.Contains(t, []int{0, 1}, code)
	return code, r, out.String()
}

func (r *report) check(t *testing.T, name string) diagnosis {
	t.Helper()
	for _, c := range r.Checks {
		if c.Check == name {
			return c
		}
	}
	require.Fail(t, "no check", name)
	return diagnosis{}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	bin, err := build()
	require.NoError(t, err)
	worker := filepath.Join(bin, "jsruntime-worker")
	key := strings.Repeat("k", 40)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	good := map[string]string{
		"JSRUNTIME_WORKER": worker, "JSRUNTIME_DATA_DIR": dir, "JSRUNTIME_ADMIN_KEY": key, "JSRUNTIME_SECRET_KEY": strings.Repeat("ab", 32), "DATABASE_URL": dbtest.URL(t),
	}
	with := func(changes map[string]string) map[string]string {
		env := map[string]string{}
		for k, v := range good {
			env[k] = v
		}
		for k, v := range changes {
			env[k] = v
		}
		return env
	}

	code, r, text := examine(t, good)
	require.Equal(t, 0, code, text)
	require.NotNil(t, r.Worker)
	require.Regexp(t, `^\d+\.\d+\.\d+`, r.Worker.V8)
	require.NotContains(t, text, key)
	require.Equal(t, ok, r.check(t, "worker").Status)
	require.Equal(t, ok, r.check(t, "sandbox: seccomp").Status)
	require.Equal(t, ok, r.check(t, "postgres").Status, text)
	require.Contains(t, r.check(t, "postgres").Detail, "the schema is current")
	require.Contains(t, r.check(t, "history").Detail, "once for each batch", "the tests' database user is a superuser")
	for _, name := range []string{"settings", "kernel", "user namespaces", "cgroup", "admin key", "secret key", "listener"} {
		require.NotEqual(t, fail, r.check(t, name).Status, name)
	}
	applies := func(r report, cve string) bool {
		for _, a := range r.Advisories {
			if a.CVE == cve {
				return a.Applies
			}
		}
		require.Fail(t, "not listed", cve)
		return false
	}
	if strings.HasPrefix(r.Worker.V8, "13.6.") {
		require.True(t, applies(r, "CVE-2026-3910"))
		require.Equal(t, warn, r.check(t, "v8").Status)
		_, lower, _ := examine(t, good, "--jit", "baseline")
		require.False(t, applies(lower, "CVE-2026-3910"))
		require.True(t, applies(lower, "CVE-2025-6554"))
	}

	// What people read names the same things.
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"doctor"}, func(name string) string { return good[name] }, &out, &errs), errs.String())
	require.Contains(t, out.String(), "sandbox: seccomp")
	require.Contains(t, out.String(), "CVE-2026-3910")

	for name, c := range map[string]struct {
		env           map[string]string
		check, detail string
	}{
		"no worker":       {map[string]string{"JSRUNTIME_WORKER": filepath.Join(dir, "none")}, "worker", "no such file"},
		"not a worker":    {map[string]string{"JSRUNTIME_WORKER": "/bin/true"}, "worker", "does not say what it is"},
		"no sandbox":      {map[string]string{"JSRUNTIME_SANDBOX": "off"}, "sandbox: sandbox", "off"},
		"short admin key": {map[string]string{"JSRUNTIME_ADMIN_KEY": "short"}, "admin key", "it must have 32"},
		"no database":     {map[string]string{"DATABASE_URL": "postgres://x@127.0.0.1:1/x"}, "postgres", "opening the database"},
		"no listener":     {map[string]string{"JSRUNTIME_LISTEN": "nonsense"}, "listener", "listen"},
	} {
		code, r, text := examine(t, with(c.env))
		require.Equal(t, 1, code, "%s: %s", name, text)
		require.Equal(t, fail, r.check(t, c.check).Status, name)
		require.Contains(t, r.check(t, c.check).Detail, c.detail, name)
	}

	// Risks that an operator may take are warnings.
	_, r, _ = examine(t, with(map[string]string{"JSRUNTIME_LISTEN": "0.0.0.0:8080", "JSRUNTIME_SECRET_KEY": "", "DATABASE_URL": dbtest.Empty(t)}))
	require.Equal(t, warn, r.check(t, "listener").Status)
	require.Equal(t, warn, r.check(t, "secret key").Status)
	require.Contains(t, r.check(t, "postgres").Detail, "migrations are missing")

	// A key that others can read is none.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "admin.key"), []byte(key), 0o644)) // the fault that is looked for
	code, r, _ = examine(t, with(map[string]string{"JSRUNTIME_ADMIN_KEY": ""}))
	require.Equal(t, 1, code)
	require.Contains(t, r.check(t, "admin key").Detail, "has mode 0644")
}

func TestOlderKernel(t *testing.T) {
	t.Parallel()
	require.True(t, olderKernel("5.10.0-28-amd64", 5, 14))
	require.True(t, olderKernel("4.19", 5, 14))
	require.False(t, olderKernel("5.14.0", 5, 14))
	require.False(t, olderKernel("6.1-rc3", 5, 14))
	require.False(t, olderKernel("strange", 5, 14))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	bin, err := build()
	require.NoError(t, err)
	var out, errs bytes.Buffer
	args := []string{"version", "--worker", filepath.Join(bin, "jsruntime-worker")}
	none := func(string) string { return "" }
	require.Equal(t, 0, run(t.Context(), args, none, &out, &errs), errs.String())
	require.Regexp(t, `^jsruntime \S+\nV8 \d+\.\d+\.\d+\S*, (\d+ days old|of unknown age)\nICU \d+\.\d+, time zones 20\d\d[a-z]\n$`, out.String())
	out.Reset()
	require.Equal(t, 0, run(t.Context(), append(args, "--json"), none, &out, &errs))
	var v struct{ Worker workerReport }
	require.NoError(t, json.Unmarshal(out.Bytes(), &v))
	require.NotEmpty(t, v.Worker.V8)
	out.Reset()
	require.Equal(t, 0, run(t.Context(), []string{"version", "--worker", "/nonexistent"}, none, &out, &errs))
	require.Contains(t, out.String(), "jsruntime ")
	require.Contains(t, out.String(), "worker: /nonexistent")
}
