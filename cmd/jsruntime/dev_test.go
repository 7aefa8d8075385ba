//go:build linux

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// session is a command at a terminal of its own.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	tty    *os.File
	screen *lockedBuffer
	gone   chan struct{}
	err    error // of the command, once it is gone
}

// atTerminal starts a command of this build in a folder, under a pseudo-terminal. Its environment has a database that does not exist.
func atTerminal(t *testing.T, dir string, env []string, args ...string) *session {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	s := &session{t: t, cmd: exec.Command(args[0], args[1:]...), screen: &lockedBuffer{}, gone: make(chan struct{})}
	if args[0] == "jsruntime" {
		s.cmd = exec.Command(filepath.Join(bin, "jsruntime"), args[1:]...)
	}
	s.cmd.Dir = dir
	s.cmd.Env = append([]string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TERM=xterm", "NO_COLOR=1",
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "JSRUNTIME_DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
	}, env...)
	s.tty, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 40, Cols: 120})
	require.NoError(t, err)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(s.screen, s.tty) // ends with an error when the command is gone
	}()
	go func() {
		s.err = s.cmd.Wait()
		<-read
		close(s.gone)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.gone
		_ = s.tty.Close()
		if t.Failed() {
			t.Logf("the screen of %v:\n%s", args, s.text())
		}
	})
	return s
}

var styles = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// text is the screen without styles.
func (s *session) text() string {
	return strings.ReplaceAll(styles.ReplaceAllString(s.screen.String(), ""), "\r\n", "\n")
}

// sees waits for a text on the screen, after what was seen before, and returns what matched.
func (s *session) sees(from int, pattern string) (match []string, end int) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	require.Eventually(s.t, func() bool {
		text := s.text()
		if len(text) < from { // the end of a style had not come yet
			return false
		}
		at := re.FindStringSubmatchIndex(text[from:])
		if at == nil {
			return false
		}
		match = re.FindStringSubmatch(text[from:])
		end = from + at[1]
		return true
	}, 2*time.Minute, 5*time.Millisecond, "no %s on the screen", pattern)
	return match, end
}

func (s *session) keys(text string) {
	s.t.Helper()
	_, err := s.tty.WriteString(text)
	require.NoError(s.t, err)
}

// ends waits for the end and returns the exit code.
func (s *session) ends() int {
	s.t.Helper()
	select {
	case <-s.gone:
	case <-time.After(time.Minute):
		require.Fail(s.t, "the command does not end")
	}
	return s.cmd.ProcessState.ExitCode()
}

// family are the process ids of a process and all below it.
func family(t *testing.T, root int) []int {
	t.Helper()
	all := []int{root}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	parents := map[int]int{}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it is gone
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		fields := strings.Fields(string(text[strings.LastIndex(string(text), ")")+1:]))
		parents[pid], _ = strconv.Atoi(fields[1])
	}
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if parent > 0 && contains(all, parent) && !contains(all, pid) {
				all, grown = append(all, pid), true
			}
		}
	}
	return all
}

func contains(list []int, n int) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// leftNothing requires that all the processes are gone, and that the folder has no lock.
func leftNothing(t *testing.T, dir string, pids []int) {
	t.Helper()
	require.Greater(t, len(pids), 2, "the node had no Postgres and no workers")
	for _, pid := range pids {
		require.Eventually(t, func() bool {
			stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		}, 30*time.Second, 20*time.Millisecond, "process %d is left", pid)
	}
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, ".jsruntime"), func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		require.NotRegexp(t, `\.lock$|\.pid$|/\.s\.`, path)
		return nil
	}))
}

func fetched(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// devProject is a folder with a script of each kind, and a package that the first of them imports.
func devProject(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"jsruntime.jsonc": `{ "name": "shop", "scripts": {
			"price": { "type": "http", "main": "src/price.ts", "http_path": "/price/:item", "http_methods": ["GET"] },
			"nightly": { "type": "scheduled", "main": "src/nightly.ts", "cron_expression": "0 3 * * *" },
			"order": { "type": "event", "main": "src/order.ts", "event_types": ["order.created"] }
		} }`,
		"src/price.ts":                   "import { tax } from \"tax\";\n\nexport default {\n  fetch(_request: Request, env: Record<string, string>, ctx: { params: { item: string } }): Response {\n    if (ctx.params.item === \"none\") {\n      throw new TypeError(`no ${ctx.params.item}`);\n    }\n    console.log(\"priced\", ctx.params.item);\n    return Response.json({ price: tax(100), secret: env.TOKEN });\n  },\n};\n",
		"src/nightly.ts":                 "export default { scheduled() { console.log(\"night falls\"); } };\n",
		"src/order.ts":                   "export default { event(event: { data: { n: number } }) { console.log(\"order of\", event.data.n); } };\n",
		"node_modules/tax/package.json":  `{ "name": "tax", "version": "1.0.0", "type": "module", "main": "index.js" }`,
		"node_modules/tax/index.js":      "export const tax = (net) => net + net / 10;\n",
		".dev.vars":                      "# of development\nTOKEN=\"abc\"\n",
		"node_modules/.bin/.placeholder": "",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}

func replaceIn(t *testing.T, file, before, after string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), before)
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), before, after)), 0o644))
}

// TestDev works with two projects at one time, as authors do at their terminals.
func TestDev(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short")
	}
	dir, other := devProject(t), devProject(t)
	dev, second := atTerminal(t, dir, nil, "jsruntime", "dev"), atTerminal(t, other, nil, "jsruntime", "dev", "--dir", other)

	m, at := dev.sees(0, `price  (http://127\.0\.0\.1:\d+/t/dev/price/):item`)
	url := m[1]
	_, at = dev.sees(at, `the console, signed in with this link once: http://127\.0\.0\.1:\d+/console/#link=\S+`)
	status, body := fetched(t, url+"tea")
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"price": 110, "secret": "abc"}`, body)
	_, at = dev.sees(at, `price +info priced tea`)
	_, at = dev.sees(at, `price +GET /price/tea +200 +[\d.]+ ms`)
	m, _ = second.sees(0, `price  (http://127\.0\.0\.1:\d+/t/dev/price/):item`)
	require.NotEqual(t, url, m[1], "two projects have two nodes")
	status, _ = fetched(t, m[1]+"tea")
	require.Equal(t, 200, status)

	// A saved file is live; so is one of a package. A secret is, at the next save.
	replaceIn(t, filepath.Join(dir, "src/price.ts"), "tax(100)", "tax(200)")
	m, at = dev.sees(at, `price live in (\d+) ms`)
	t.Logf("live after %s ms", m[1])
	_, body = fetched(t, url+"tea")
	require.Contains(t, body, `"price":220`)
	replaceIn(t, filepath.Join(dir, "node_modules/tax/index.js"), "/ 10", "/ 5")
	_, at = dev.sees(at, `price live in`)
	_, body = fetched(t, url+"tea")
	require.Contains(t, body, `"price":240`)

	// A mistake is shown at its place, and what was live stays.
	replaceIn(t, filepath.Join(dir, "src/price.ts"), "export default {", "export default {{")
	_, at = dev.sees(at, `price does not build\s+✘ src/price\.ts:3:17: Expected identifier`)
	_, at = dev.sees(at, `> +3 │ export default \{\{\s+│ +\^`)
	_, body = fetched(t, url+"tea")
	require.Contains(t, body, `"price":240`)
	replaceIn(t, filepath.Join(dir, "src/price.ts"), "export default {{", "export default {")
	_, at = dev.sees(at, `every script builds again`)

	// A throw has the stack of the sources. r runs it again.
	status, _ = fetched(t, url+"none")
	require.Equal(t, 500, status)
	_, at = dev.sees(at, `TypeError: no none\s+at \S*fetch \(src/price\.ts:6:13\)`)
	dev.recordTo("06-dev", "jsruntime dev", at)
	dev.keys("r")
	_, at = dev.sees(at, `TypeError: no none\s+at \S*fetch \(src/price\.ts:6:13\)`)

	// t triggers a schedule, and an event with what is typed.
	dev.keys("t")
	_, at = dev.sees(at, `1  nightly  cron 0 3 \* \* \*\s+2  order  event order\.created\s+which`)
	dev.keys("1")
	_, at = dev.sees(at, `nightly +info night falls`)
	dev.keys("t")
	_, at = dev.sees(at, `which`)
	dev.keys("2")
	_, at = dev.sees(at, `data as JSON`)
	dev.keys("{\"n\": 71}\r")
	_, at = dev.sees(at, `order +info order of 7`)
	_, at = dev.sees(at, `order +event order\.created +completed`)

	// The project's file counts too: a script that is added, and one that is taken out.
	replaceIn(t, filepath.Join(dir, "jsruntime.jsonc"), `"nightly": { "type": "scheduled", "main": "src/nightly.ts", "cron_expression": "0 3 * * *" }`,
		`"again": { "type": "http", "main": "src/price.ts", "http_path": "/again/:item", "http_methods": ["GET"] }`)
	_, at = dev.sees(at, `nightly archived`)
	dev.sees(at, `again live in`)
	status, _ = fetched(t, strings.Replace(url, "/price/", "/again/", 1)+"tea")
	require.Equal(t, 200, status)

	// A script runs by hand on the node that is there.
	local := atTerminal(t, dir, nil, "jsruntime", "run", "order", "--local", "--input", `{"type": "order.created", "data": {"n": 5}}`)
	require.Zero(t, local.ends())
	local.sees(0, `order of 5`)
	dev.sees(at, `order +info order of 5`)

	// A third one in a folder that has a node is told so.
	third := atTerminal(t, dir, nil, "jsruntime", "dev")
	require.Equal(t, 1, third.ends())
	third.sees(0, `is in use by another node`)

	// Ctrl-C, and a terminal that closes, leave nothing behind.
	pids, otherPIDs := family(t, dev.cmd.Process.Pid), family(t, second.cmd.Process.Pid)
	dev.keys("\x03")
	require.Zero(t, dev.ends())
	leftNothing(t, dir, pids)
	require.NoError(t, second.cmd.Process.Signal(syscall.SIGHUP))
	second.ends()
	leftNothing(t, other, otherPIDs)

	// A run by hand has a node of its own, which it takes with it.
	local = atTerminal(t, other, nil, "jsruntime", "run", "nightly", "--local")
	require.Zero(t, local.ends())
	local.sees(0, `night falls`)
	local.sees(0, `completed  version 1`)
	require.NotContains(t, local.text(), " live in")
	leftNothing(t, other, append(otherPIDs, local.cmd.Process.Pid))
	replaceIn(t, filepath.Join(other, "src/nightly.ts"), "export default {", "export default {{")
	local = atTerminal(t, other, nil, "jsruntime", "run", "nightly", "--local")
	require.Equal(t, 1, local.ends())
	local.sees(0, `nightly does not build\s+✘ src/nightly\.ts:1:17`)

	// What it kept is there the next time.
	again := atTerminal(t, dir, nil, "jsruntime", "dev")
	_, at = again.sees(0, `the console, signed in`)
	require.NotContains(t, again.text(), " live in", "nothing has changed")
	again.keys("q")
	require.Zero(t, again.ends())
	_ = at
}

// TestDevForPrograms has dev tell events, and end with the program that started it.
func TestDevForPrograms(t *testing.T) {
	t.Parallel()
	bin, err := build()
	require.NoError(t, err)
	dir := devProject(t)
	cmd := exec.Command(filepath.Join(bin, "jsruntime"), "dev", "--dir", dir, "--json", "--until-stdin-closes")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	errs := &lockedBuffer{}
	cmd.Stderr = errs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var ready struct{ Event, URL, Tenant, Key string }
	for lines := json.NewDecoder(out); ready.Event != "ready"; {
		require.NoError(t, lines.Decode(&ready), "%s", errs)
	}
	status, body := fetched(t, ready.URL+"/t/"+ready.Tenant+"/price/tea")
	require.Equal(t, 200, status, body)
	pids := family(t, cmd.Process.Pid)
	require.NoError(t, in.Close())
	_, _ = io.Copy(io.Discard, out) // its end
	require.NoError(t, cmd.Wait(), "%s", errs)
	leftNothing(t, dir, pids)
}
