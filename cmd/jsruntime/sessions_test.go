//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// sessionsFolder has what TestSessions records, with JSRUNTIME_UPDATE=1.
const sessionsFolder = "../npm/sessions"

// masks take from a screen what differs from one time to the next.
var masks = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\r?[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏][^\n\r]*?(?:\r|$)`), ""},
	{regexp.MustCompile(`(?m)^[\\|/-]*npm notice.*\n|^[\\|/-]+(\n|$)`), ""}, // npm's own, with its wheel
	{regexp.MustCompile(`(?m)^[\\|/-]+`), ""},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`jsl_\w+`), "jsl_LINK"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "DATE"},
	{regexp.MustCompile(`[\d.]+ ?(ms|µs|s)\b`), "DURATION"},
	{regexp.MustCompile(`[\d.]+ (KiB|MiB)`), "SIZE"},
	{regexp.MustCompile(`added \d+ packages?`), "added N packages"},
	{regexp.MustCompile(`Mozilla\S+|curl\S+|Go-http-client\S+`), "CLIENT"},
}

// record keeps what a session has shown, after the command line that was typed.
func (s *session) record(name, typed string) {
	s.t.Helper()
	text := strings.ReplaceAll(s.text(), "\r", "")
	for _, m := range masks {
		text = m.of.ReplaceAllString(text, m.by)
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	if os.Getenv("JSRUNTIME_UPDATE") == "" {
		return
	}
	require.NoError(s.t, os.MkdirAll(sessionsFolder, 0o755))
	text = "$ " + typed + "\n" + strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
	require.NoError(s.t, os.WriteFile(filepath.Join(sessionsFolder, name+".txt"), []byte(text), 0o644))
}

// TestSessions goes an author's way at a terminal: from an empty folder to a deployment, a mistake, a tail and back.
func TestSessions(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("sessions")
	dir := t.TempDir()
	env := []string{"JSRUNTIME_URL=" + n.base, "JSRUNTIME_KEY=" + key}
	sh := func(in, line string) *session { return atTerminal(t, in, env, "sh", "-c", line) }

	line := "jsruntime init shop && cd shop && npm i hono && jsruntime deploy"
	if _, err := exec.LookPath("npm"); err != nil {
		line = "jsruntime init shop && cd shop && jsruntime deploy"
		t.Log("npm is not installed: hono is not")
	}
	s := sh(dir, line)
	if s.ends() != 0 && strings.Contains(s.text(), "npm error") {
		t.Skip("npm has no registry in reach")
	}
	require.Zero(t, s.cmd.ProcessState.ExitCode())
	s.sees(0, `created +src/hello\.ts`)
	s.sees(0, `Live: 1 created, 0 changed`)
	s.record("1-init-and-deploy", line)
	shop := filepath.Join(dir, "shop")
	status, body := n.try("GET", "/t/sessions/hello/ada", "", nil)
	require.Equal(t, 200, status, body)

	s = sh(shop, "jsruntime deploy")
	require.Zero(t, s.ends())
	s.sees(0, `unchanged  hello`)
	s.record("2-deploy-again", "jsruntime deploy")

	file := filepath.Join(shop, "src/hello.ts")
	replaceIn(t, file, "export default {", "export default {{")
	s = sh(shop, "jsruntime deploy")
	require.Equal(t, 1, s.ends())
	s.sees(0, `hello does not build\s+✘ src/hello\.ts:\d+:17`)
	s.record("3-syntax-error", "jsruntime deploy; echo $?")
	replaceIn(t, file, "export default {{", "export default {")

	s = sh(shop, "jsruntime types && head -3 jsruntime.d.ts")
	require.Zero(t, s.ends())
	s.sees(0, `wrote jsruntime\.d\.ts`)

	replaceIn(t, file, "return Response.json({ hello:", "if (ctx.params.name === \"nobody\") throw new TypeError(\"nobody is here\");\n    return Response.json({ hello:")
	s = sh(shop, "jsruntime deploy")
	require.Zero(t, s.ends())
	s.sees(0, `Live: 0 created, 1 changed`)
	s.record("4-deploy-a-change", "jsruntime deploy")

	tail := sh(shop, "jsruntime tail hello")
	require.Eventually(t, func() bool {
		n.try("GET", "/t/sessions/hello/ada", "", nil)
		return strings.Contains(tail.text(), "GET /hello/ada")
	}, time.Minute, 100*time.Millisecond)
	status, _ = n.try("GET", "/t/sessions/hello/nobody", "", nil)
	require.Equal(t, 500, status)
	tail.sees(0, `TypeError: nobody is here\s+at \S*fetch \(\S*hello\.ts:\d+:\d+\)`)
	tail.keys("\x03")
	tail.ends()
	tail.record("5-tail", "jsruntime tail hello")
}
