//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A browser is opened only where standard output is a terminal and there is a display.
func TestBrowserIsForPeople(t *testing.T) {
	t.Parallel()
	master, terminal, err := pty.Open()
	require.NoError(t, err)
	defer master.Close()
	defer terminal.Close()
	for _, c := range []struct {
		env  map[string]string
		out  any
		want bool
	}{
		{map[string]string{"DISPLAY": ":0"}, terminal, true},
		{map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, terminal, true},
		{map[string]string{}, terminal, false},
		{map[string]string{"DISPLAY": ":0", "CI": "true"}, terminal, false},
		{map[string]string{"DISPLAY": ":0"}, &bytes.Buffer{}, false},
	} {
		getenv := func(name string) string { return c.env[name] }
		out, isFile := c.out.(*os.File)
		if isFile {
			require.Equal(t, c.want, newOpener(getenv, out).person, "%v", c.env)
		} else {
			require.Equal(t, c.want, newOpener(getenv, c.out.(*bytes.Buffer)).person, "%v", c.env)
		}
	}
}

// The link reaches the browser by a page of this user alone, and never by an argument. A failure is said.
func TestBrowserOpensTheLink(t *testing.T) {
	t.Parallel()
	const link = "http://127.0.0.1:8080/console/#link=jsl_x&tenant=demo"
	dir := t.TempDir()
	program := filepath.Join(dir, "browser")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nstat -c %a \"$1\" > "+dir+"/mode\necho \"$*\" > "+dir+"/arguments\ncp \"$1\" "+dir+"/seen.part && mv "+dir+"/seen.part "+dir+"/seen\n"), 0o700))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out bytes.Buffer
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		opener{person: true, program: program}.open(ctx, dir, link, &out)
	}()
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		return string(text)
	}
	require.Eventually(t, func() bool {
		return strings.Contains(read("seen"), "http://127.0.0.1:8080/console/#link=jsl_x&amp;tenant=demo")
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, "600\n", read("mode"))
	require.NotContains(t, read("arguments"), "jsl_")
	stop()
	<-ended
	require.NoFileExists(t, filepath.Join(dir, linkPage))

	for program, want := range map[string]string{"/bin/false": "exit status 1", "no-such-browser-here": "not installed"} {
		out.Reset()
		opener{person: true, program: program}.open(t.Context(), dir, link, &out)
		assert.Contains(t, out.String(), want)
		require.NoFileExists(t, filepath.Join(dir, linkPage))
	}
}
