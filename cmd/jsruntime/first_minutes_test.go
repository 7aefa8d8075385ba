//go:build linux

package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
