//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

func TestShortOperatorKeysAreRefused(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("k", 32), strings.Repeat("K", 40)
	for _, bad := range []string{
		"short", strings.Repeat("k", 31), strings.Repeat("k", 513), long + ",short", "short " + long, " ", ",", long + "ä", long + "\x7f",
		strings.Join([]string{long, long, long, long, long}, ","),
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"serve"}, func(name string) string {
			return map[string]string{"JSRUNTIME_ADMIN_KEY": bad, "JSRUNTIME_WORKER": os.Args[0], "JSRUNTIME_DATA_DIR": t.TempDir()}[name]
		}, &out, &errs)
		require.Equal(t, 2, code, "%q", bad)
		require.Contains(t, errs.String(), "JSRUNTIME_ADMIN_KEY: ", "%q", bad)
		require.NotContains(t, errs.String(), long, "an error shows no key")
	}
	for text, want := range map[string][]string{
		long: {long}, long + "," + longer: {long, longer}, "\n" + longer + " \t" + long + "\r\n": {longer, long}, long + ", " + longer + ",": {long, longer},
	} {
		got, made, err := adminKeys(text, t.TempDir())
		require.NoError(t, err)
		require.False(t, made)
		require.Equal(t, want, got)
	}

	dir := t.TempDir()
	keys, made, err := adminKeys("", dir)
	require.NoError(t, err)
	require.True(t, made)
	again, made, err := adminKeys("", dir)
	require.NoError(t, err)
	require.False(t, made)
	require.Equal(t, keys, again)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "admin.key"), []byte("short\n"), 0o600))
	_, _, err = adminKeys("", dir)
	require.ErrorContains(t, err, filepath.Join(dir, "admin.key"))
}

// TestConsoleLinkByEnvironment: the deployments turn the link off by its variable.
func TestConsoleLinkByEnvironment(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": true, "true": true, "false": false} {
		var line commandLine
		parser, err := kong.New(&line, kong.Resolvers(environment(func(name string) string {
			return map[string]string{"JSRUNTIME_CONSOLE_LINK": value}[name]
		})))
		require.NoError(t, err)
		_, err = parser.Parse([]string{"serve"})
		require.NoError(t, err)
		require.Equal(t, want, line.Serve.ConsoleLink, value)
	}
}
