//go:build linux

package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/docs"
)

// TestATakenAddressIsSaidFirst: before a database is made, and with what to do about it.
func TestATakenAddressIsSaidFirst(t *testing.T) {
	t.Parallel()
	bin, err := build()
	require.NoError(t, err)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	data := filepath.Join(t.TempDir(), "data")
	var stdout, stderr bytes.Buffer
	args := []string{"serve", "--listen", taken.Addr().String(), "--data-dir", data, "--worker", filepath.Join(bin, "jsruntime-worker")}
	code := run(context.Background(), args, func(string) string { return "" }, &stdout, &stderr)
	require.Equal(t, 1, code)
	require.Contains(t, stderr.String(), taken.Addr().String()+" is taken")
	require.Contains(t, stderr.String(), "--listen")
	require.NoDirExists(t, filepath.Join(data, "postgres"), "no database was made")
}

func TestLogsAreTextForPeople(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	newLogger(serveConfig{LogLevel: "info", LogFormat: "auto"}, &log).Info("serving")
	require.True(t, strings.HasPrefix(log.String(), "{"), "JSON where a program reads: %s", log.String())
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer terminal.Close()
	require.True(t, isTerminal(terminal))
	require.False(t, isTerminal(&log))
}

// The documents have each flag of the node, with its variable.
func TestEveryFlagIsDocumented(t *testing.T) {
	t.Parallel()
	var help bytes.Buffer
	require.Equal(t, 0, run(context.Background(), []string{"serve", "--help"}, func(string) string { return "" }, &help, &help))
	flags := nodeFlags()
	require.Greater(t, len(flags), 40)
	for _, f := range flags {
		require.NotEmpty(t, f.Help, f.Variable)
		if f.Name != "" {
			require.Contains(t, help.String(), f.Name)
			require.Contains(t, help.String(), "$"+f.Variable)
		}
	}
	named := func(name string) docs.Flag {
		return flags[slices.IndexFunc(flags, func(f docs.Flag) bool { return f.Name == name })]
	}
	require.Equal(t, docs.Flag{Name: "listen", Variable: "JSRUNTIME_LISTEN", Default: "127.0.0.1:8080", Help: "Address of the listener."}, named("listen"))
	require.Equal(t, "full, maglev, baseline, off", named("jit").Choices)
	pages, err := docs.New(docs.Config{Document: &huma.OpenAPI{Components: &huma.Components{Schemas: huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)}}, Flags: flags})
	require.NoError(t, err)
	page, ok := pages.Page("flags")
	require.True(t, ok)
	for _, f := range flags {
		require.Contains(t, string(page), f.Variable)
	}
}
