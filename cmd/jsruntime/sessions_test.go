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

// progressLine is a line that is rewritten while a command waits.
var progressLine = regexp.MustCompile(`\r[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏][^\n\r]*`)

// npmLines are npm's own: notices, and its wheel before what follows.
var npmLines = regexp.MustCompile(`(?m)^[\\|/-]*npm notice.*\n|^[\\|/-]+(\n|$)|^[\\|/-]+`)

// masks take from a screen what differs from one time to the next.
var masks = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`jsl_\w+`), "jsl_LINK"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "DATE"},
	{regexp.MustCompile(`[\d.]+ ?(ms|µs|s)\b`), "N $1"},
	{regexp.MustCompile(`[\d.]+ (KiB|MiB)`), "N $1"},
	{regexp.MustCompile(`\d+ of \d+ executions failed`), "N of N executions failed"},
	{regexp.MustCompile(`added \d+ packages?`), "added N packages"},
	{regexp.MustCompile(`Mozilla\S+|curl\S+|Go-http-client\S+`), "CLIENT"},
}

// record keeps what a session has shown, after the command line that was typed.
func (s *session) record(name, typed string) {
	s.t.Helper()
	s.recordTo(name, typed, -1)
}

// recordTo is record up to a place of the screen; -1 is its end.
func (s *session) recordTo(name, typed string, end int) {
	s.t.Helper()
	text := s.text()
	if end >= 0 {
		text = text[:end]
	}
	text = strings.ReplaceAll(progressLine.ReplaceAllString(text, ""), "\r", "")
	if strings.Contains(typed, "npm ") {
		text = npmLines.ReplaceAllString(text, "")
	}
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
	s.record("01-init-and-deploy", line)
	shop := filepath.Join(dir, "shop")
	status, body := n.try("GET", "/t/sessions/hello/ada", "", nil)
	require.Equal(t, 200, status, body)

	s = sh(shop, "jsruntime deploy")
	require.Zero(t, s.ends())
	s.sees(0, `unchanged  hello`)
	s.record("02-deploy-again", "jsruntime deploy")

	file := filepath.Join(shop, "src/hello.ts")
	replaceIn(t, file, "export default {", "export default {{")
	s = sh(shop, "jsruntime deploy")
	require.Equal(t, 1, s.ends())
	s.sees(0, `hello does not build\s+✘ src/hello\.ts:\d+:17`)
	s.record("03-syntax-error", "jsruntime deploy; echo $?")
	replaceIn(t, file, "export default {{", "export default {")

	s = sh(shop, "jsruntime types && head -3 jsruntime.d.ts")
	require.Zero(t, s.ends())
	s.sees(0, `wrote jsruntime\.d\.ts`)

	replaceIn(t, file, "return Response.json({ hello:", "if (ctx.params.name === \"nobody\") throw new TypeError(\"nobody is here\");\n    return Response.json({ hello:")
	s = sh(shop, "jsruntime deploy")
	require.Zero(t, s.ends())
	s.sees(0, `Live: 0 created, 1 changed`)
	s.record("04-deploy-a-change", "jsruntime deploy")

	tail := sh(shop, "jsruntime tail hello")
	require.Eventually(t, func() bool {
		n.try("GET", "/t/sessions/hello/ada", "", nil)
		return strings.Contains(tail.text(), "GET /hello/ada")
	}, time.Minute, 100*time.Millisecond)
	status, _ = n.try("GET", "/t/sessions/hello/nobody", "", nil)
	require.Equal(t, 500, status)
	tail.sees(0, `TypeError: nobody is here\s+at \S*fetch \(src/hello\.ts:\d+:\d+\)`)
	tail.keys("\x03")
	tail.ends()
	tail.record("05-tail", "jsruntime tail hello")

	comparedAtTerminal(t, shop, sh)
	takenBackAtTerminal(t, n, shop, sh)
}

// comparedAtTerminal tries a changed price rule on the inputs that are on record: before the change, and after it.
func comparedAtTerminal(t *testing.T, shop string, sh func(in, line string) *session) {
	t.Helper()
	file := filepath.Join(shop, "src/price.ts")
	write(t, file, "export default {\n  run({ net }: { net: number }) {\n    return { net, gross: Math.round(net * 119) / 100 };\n  },\n};\n")
	replaceIn(t, filepath.Join(shop, "jsruntime.jsonc"), `"scripts": {`, `"scripts": {
    "price": { "type": "oneoff", "main": "src/price.ts" },`)
	s := sh(shop, `jsruntime deploy && for net in 20 80 100 250; do jsruntime run price --input "{\"net\": $net}" || exit; done`)
	require.Zero(t, s.ends())
	require.Eventually(t, func() bool {
		list := sh(shop, "jsruntime executions list price --status completed")
		return list.ends() == 0 && strings.Count(list.text(), " completed ") == 4
	}, time.Minute, 200*time.Millisecond, "the runs are on record")
	s = sh(shop, "jsruntime compare price")
	require.Zero(t, s.ends())
	s.sees(0, `4 inputs: 4 same, 0 different, 0 failed`)
	s.record("07-compare-before", "jsruntime compare price")
	replaceIn(t, file, "net * 119", "net * (net > 100 ? 107 : 119)")
	s = sh(shop, "jsruntime compare price")
	require.Zero(t, s.ends())
	s.sees(0, `\{"net":250\}[^✔]*-\s+"gross": 297\.5,\s+\+\s+"gross": 267\.5`)
	s.sees(0, `4 inputs: 3 same, 1 different, 0 failed`)
	s.record("08-compare-a-changed-rule", "jsruntime compare price")
	replaceIn(t, file, "net * (net > 100 ? 107 : 119)", "net * 119")
}

// takenBackAtTerminal gives a tenth of the executions to a version that throws. The node takes it back by itself; a whole deployment is rolled
// back by hand.
func takenBackAtTerminal(t *testing.T, n *process, shop string, sh func(in, line string) *session) {
	t.Helper()
	file := filepath.Join(shop, "src/hello.ts")
	replaceIn(t, file, "return Response.json({ hello:", "if (Math.random() >= 0) throw new Error(\"the new greeting is not ready\");\n    return Response.json({ hello:")
	line := `jsruntime deploy --percent 10 --min-runs 20 --message "a new greeting"`
	s := sh(shop, line)
	require.Zero(t, s.ends())
	s.sees(0, `new version gets 10 % of its executions`)
	s.sees(0, `taken back by itself where more than 5 % of its executions fail, once 20 have ended`)
	s.record("09-deploy-10-percent", line)
	failed, asked := 0, 0
	require.Eventually(t, func() bool {
		for range 40 {
			if status, _ := n.try("GET", "/t/sessions/hello/ada", "", nil); status != 200 {
				failed++
			}
			asked++
		}
		s = sh(shop, "jsruntime versions hello")
		return s.ends() == 0 && strings.Contains(s.text(), "was taken back")
	}, time.Minute, 10*time.Millisecond, "the version is not taken back")
	require.Positive(t, failed)
	require.Less(t, failed, asked/2, "%d of %d requests came to the version that throws", failed, asked)
	s.sees(0, `2 +live`)
	s.sees(0, `Version 3 had 10 % and was taken back: (\d+) of (\d+) executions failed, which is more than 5 %`)
	s.record("10-taken-back", "jsruntime versions hello")
	require.Eventually(t, func() bool {
		for range 100 {
			if status, _ := n.try("GET", "/t/sessions/hello/ada", "", nil); status != 200 {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond, "the version before has it all again")

	// A rollback of what is live whole.
	s = sh(shop, "jsruntime rollback hello && jsruntime versions hello")
	require.Zero(t, s.ends())
	s.sees(0, `Version 1 of hello is live`)
	s.sees(0, `1 +live`)
	s.record("11-rollback", "jsruntime rollback hello && jsruntime versions hello")
	require.Eventually(t, func() bool {
		status, _ := n.try("GET", "/t/sessions/hello/nobody", "", nil)
		return status == 200 // the live version is 1 again, for all clients
	}, time.Minute, 20*time.Millisecond)
}
