//go:build linux

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/migrations/dbtest"
)

// Limits that a node cannot take are refused at its start, and the flag's help names all of them.
func TestFlagsOfLimitsAreStrict(t *testing.T) {
	t.Parallel()
	serve := func(environment map[string]string, args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"serve"}, args...), func(name string) string {
			if v, ok := environment[name]; ok {
				return v
			}
			return map[string]string{"JSRUNTIME_WORKER": os.Args[0], "JSRUNTIME_DATA_DIR": t.TempDir()}[name]
		}, &out, &errs)
		return code, out.String() + errs.String()
	}
	for _, c := range []struct {
		environment map[string]string
		args        []string
		want        string
	}{
		{nil, []string{"--limit-default", "max_log_byte=1"}, "limit-default: max_log_byte is not a limit; did you mean max_log_bytes?"},
		{nil, []string{"--limit-ceiling", "max_log_bytes"}, `limit-ceiling: "max_log_bytes" is not NAME=VALUE`},
		{nil, []string{"--limit-ceiling", "max_memory_bytes=lots"}, "limit-ceiling: max_memory_bytes=lots: must be a whole number"},
		{nil, []string{"--limit-ceiling=max_memory_bytes=1"}, "limit-ceiling: max_memory_bytes=1: must be from 8388608"},
		{nil, []string{"--limit-default", "max_log_bytes=1", "--limit-default", "max_log_bytes=2"}, "limit-default: max_log_bytes is given twice"},
		{nil, []string{"--limit-default", "max_log_bytes=9999999"}, "raise it with --limit-ceiling max_log_bytes=9999999"},
		{map[string]string{"JSRUNTIME_LIMIT_DEFAULT": "max_log_bytes=1,max_loq_bytes=2"}, nil, "limit-default: max_loq_bytes is not a limit"},
		{map[string]string{"JSRUNTIME_LIMIT_CEILING": "x=1"}, nil, "limit-ceiling: x is not a limit"},
	} {
		code, text := serve(c.environment, c.args...)
		require.Equal(t, 2, code, "%v", c)
		require.Contains(t, text, c.want)
	}
	code, help := serve(nil, "--help")
	require.Zero(t, code)
	flat := strings.Join(strings.Fields(help), " ")
	require.Contains(t, flat, "$JSRUNTIME_LIMIT_CEILING")
	for _, name := range engine.LimitNames() {
		require.Contains(t, flat, name)
	}
}

// What the operator's flags and a tenant's plan say is shown, and bites, without a restart where it is the plan that changes.
func TestOperatorsLimitsBite(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--limit-default", "max_output_size_bytes=100", "--limit-ceiling", "max_output_size_bytes=5000"}})
	key := n.tenant("acme")
	script := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "long", "type": "oneoff", "status": "active", "source": "export default { run(n, env, ctx) { return [ctx.limits.max_output_size_bytes, 'x'.repeat(n)] } }",
	})
	id := script["id"].(string)
	effective := script["effective_limits"].(map[string]any)
	require.EqualValues(t, 100, effective["max_output_size_bytes"])
	require.EqualValues(t, 5000, effective["ceilings"].(map[string]any)["max_output_size_bytes"])
	runs := func(bytes int) (status string, limit any) {
		e := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": bytes})
		if out, ok := e["output"].([]any); ok {
			return e["status"].(string), out[0]
		}
		return e["error_code"].(string), nil
	}
	status, limit := runs(10)
	require.Equal(t, "completed", status)
	require.EqualValues(t, 100, limit)
	status, _ = runs(200)
	require.Equal(t, "output_too_large", status)

	n.must(200, "PATCH", "/api/v1/tenants/acme", testAdminKey, map[string]any{"plan": map[string]any{"limits": map[string]any{"max_output_size_bytes": map[string]any{"default": 1000, "ceiling": 2000}}}})
	status, limit = runs(200)
	require.Equal(t, "completed", status)
	require.EqualValues(t, 1000, limit)
	n.must(422, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"resource_limits": map[string]any{"max_output_size_bytes": 2001}})
	n.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"resource_limits": map[string]any{"max_output_size_bytes": 2000}})
	status, limit = runs(1500)
	require.Equal(t, "completed", status)
	require.EqualValues(t, 2000, limit)
}

// The version names V8's.
func TestVersionNamesV8(t *testing.T) {
	t.Parallel()
	if os.Getenv("JSRUNTIME_WORKER") == "" {
		t.Skip("JSRUNTIME_WORKER names no worker")
	}
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"version"}, os.Getenv, &out, &errs), errs.String())
	require.Regexp(t, `(?i)v8\D*\d+\.\d+\.\d+`, out.String())
}
