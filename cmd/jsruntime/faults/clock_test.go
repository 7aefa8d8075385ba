package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// steppedClock replaces now() for everything that asks the world's database, by a function that is found before the built-in
// one. It must be there before the nodes migrate.
const steppedClock = `
CREATE TABLE public.fault_clock (step INTERVAL NOT NULL);
INSERT INTO public.fault_clock VALUES ('0 s');
GRANT SELECT ON public.fault_clock TO PUBLIC;
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT pg_catalog.now() + step FROM public.fault_clock';
`

// stepClock makes the database's clock steppable, and starts nodes that keep what seems to be old.
func (w *world) stepClock() {
	w.t.Helper()
	w.exec(steppedClock)
	w.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`)
	keep := []string{"JSRUNTIME_RETENTION=0"}
	w.open(nodeConfig{name: "node1", env: keep}, nodeConfig{name: "node2", env: keep})
}

func clockSteps(t *testing.T, w *world) {
	w.stepClock()
	// What was accepted in the last moment of a clock that is an hour ahead is due when the clock gets there again, as it does at last.
	for _, step := range []string{"1 hour", "0 s", "-1 hour", "0 s", "1 hour"} {
		w.exec(`UPDATE fault_clock SET step = $1::interval`, step)
		begun := time.Now()
		time.Sleep(5 * time.Second)
		w.recovered(t, begun)
	}
	w.note("executions that lost a lease: %d", query[int](w, `SELECT count(*) FROM script_executions WHERE lost_count > 0`))
}

// summerTime goes through both nights in which Berlin's clocks are changed. In spring there is no 02:30, in autumn there are two.
func summerTime(t *testing.T, w *world) {
	w.stepClock()
	w.stopLoad()
	require.Empty(t, w.resolve(45*time.Second)) // while their keys are not of last year
	clear(w.unsure)
	berlin := map[string]any{"timezone": "Europe/Berlin", "schedule": map[string]any{"missed": "skip"}}
	source := ""
	for _, s := range library {
		if s.kind == "scheduled" {
			source = s.source
		}
	}
	for name, cron := range map[string]string{"fixed": "30 2 * * *", "hourly": "30 * * * *"} {
		berlin["cron_expression"] = cron
		w.addScript(name, "scheduled", source, berlin)
	}
	at := func(utc string) {
		w.exec(`UPDATE fault_clock SET step = make_interval(secs => extract(epoch FROM $1::timestamptz - pg_catalog.now())::float8)`, utc+"+00")
	}
	started := func(name, from, until string) []string {
		return rows(w, `SELECT to_char(k.scheduled_for AT TIME ZONE 'UTC', 'HH24:MI') FROM script_schedule_ticks k JOIN scripts s ON s.id = k.script_id
			WHERE s.name = $1 AND k.outcome = 'started' AND k.scheduled_for >= $2::timestamptz AND k.scheduled_for < $3::timestamptz ORDER BY k.scheduled_for`, name, from+"+00", until+"+00")
	}
	wait := func(name, from, until string, want ...string) {
		t.Helper()
		require.Eventually(t, func() bool { return slices.Equal(started(name, from, until), want) }, 30*time.Second, 100*time.Millisecond,
			"%s from %s: %v, want %v", name, from, started(name, from, until), want)
	}

	const spring, summer = "2027-03-28 00:00", "2027-03-28 02:00"
	at("2027-03-28 00:29:56")
	wait("hourly", spring, summer, "00:30")
	at("2027-03-28 00:59:56")
	wait("fixed", spring, summer, "01:00") // the first moment after the gap
	at("2027-03-28 01:29:56")
	wait("hourly", spring, summer, "00:30", "01:30")
	time.Sleep(2 * time.Second)
	require.Equal(t, []string{"01:00"}, started("fixed", spring, summer))

	const autumn, winter = "2027-10-31 00:00", "2027-10-31 02:00"
	at("2027-10-31 00:29:56")
	wait("fixed", autumn, winter, "00:30")
	wait("hourly", autumn, winter, "00:30")
	require.Eventually(t, func() bool {
		return query[int](w, `SELECT count(*) FROM script_executions WHERE handler = 'scheduled' AND status IN ('pending', 'running')`) == 0
	},
		20*time.Second, 20*time.Millisecond)
	w.kill(w.nodes[0])
	w.start(nodeConfig{name: "node3", env: []string{"JSRUNTIME_RETENTION=0"}}).waitReady(t)
	at("2027-10-31 01:29:56")
	wait("hourly", autumn, winter, "00:30", "01:30")
	time.Sleep(2 * time.Second)
	require.Equal(t, []string{"00:30"}, started("fixed", autumn, winter), "the second 02:30 of the night is the first one again")
	w.note("spring: 02:30 ran at 03:00; autumn: 02:30 ran once, a schedule of every hour in both hours, with a node killed between them")
}

// steppedNode builds the node with a time package whose wall clock is ahead by the seconds that the file in JSRUNTIME_FAULT_CLOCK
// names. Everything else is what is shipped: a wall clock is stepped and the monotonic one is not, as when an operator sets a
// machine's time.
func steppedNode(t *testing.T) string {
	t.Helper()
	output := func(args ...string) string {
		out, err := exec.Command(args[0], args[1:]...).Output()
		require.NoError(t, err, "%v", args)
		return strings.TrimSpace(string(out))
	}
	dir := t.TempDir()
	source := filepath.Join(output("go", "env", "GOROOT"), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	const reads = "sec, nsec, mono := runtimeNow()\n"
	_, now, found := strings.Cut(string(text), "func Now() Time {\n")
	require.True(t, found && strings.HasPrefix(strings.TrimSpace(now), reads), "time.Now is another one in this version of Go")
	stepped := strings.Replace(string(text), "func Now() Time {\n\t"+reads, "// FaultStep is in seconds.\nvar FaultStep int64\n\nfunc Now() Time {\n\t"+reads+"\tsec += FaultStep\n", 1)
	require.NotEqual(t, string(text), stepped)
	const reader = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) {
			if text, err := os.ReadFile(os.Getenv("JSRUNTIME_FAULT_CLOCK")); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
					time.FaultStep = n
				}
			}
		}
	}()
}
`
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	root := output("go", "list", "-m", "-f", "{{.Dir}}")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		source: write("time.go", stepped), filepath.Join(root, "cmd", "jsruntime", "faultclock.go"): write("faultclock.go", reader),
	}})
	require.NoError(t, err)
	// Its worker is the suite's, which asks for the same version.
	version, _, _ := strings.Cut(output(filepath.Join(binaries(t), "jsruntime"), "version"), "\n")
	version = strings.TrimPrefix(version, "jsruntime ")
	goBuild(t, root, version, "jsruntime", dir, "CGO_ENABLED=0", "-overlay", write("overlay.json", string(overlay)))
	return filepath.Join(dir, "jsruntime")
}

func nodeClockSteps(t *testing.T, w *world) {
	bin := steppedNode(t)
	clock := filepath.Join(w.dir, "clock")
	set := func(seconds int) {
		require.NoError(t, os.WriteFile(clock+".new", fmt.Append(nil, seconds), 0o644))
		require.NoError(t, os.Rename(clock+".new", clock))
	}
	set(0)
	w.open(nodeConfig{name: "node1", bin: bin, env: []string{"JSRUNTIME_FAULT_CLOCK=" + clock, "JSRUNTIME_WORKER=" + filepath.Join(binaries(t), "jsruntime-worker")}}, nodeConfig{name: "node2"})
	stepped := w.nodes[0]
	// A key that the database calls valid is, whatever the node's clock shows.
	var key struct{ Key string }
	w.must("POST", "/api/v1/api-keys", w.key, map[string]any{"name": "soon", "role": "viewer", "expires_at": time.Now().Add(30 * time.Minute).UTC()}, &key)
	for _, step := range []int{3600, 0, -3600, 0} {
		w.busy(4, 1000)
		complaints := logLines(stepped, "clock differs")
		set(step)
		begun := time.Now()
		w.rescued(w.busy(4, 2000), begun, 30*time.Second)
		for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			require.Equal(t, http.StatusOK, w.visit(context.Background(), stepped, "/hello"), "a step of %d s", step)
			status, _, err := w.call(context.Background(), stepped, "GET", "/api/v1/whoami", key.Key, nil, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, "a key that is valid for half an hour, with the node's clock %d s off", step)
		}
		if step != 0 { // it did step
			require.Eventually(t, func() bool { return logLines(stepped, "clock differs") > complaints }, 20*time.Second, 100*time.Millisecond, "the node does not complain of its clock")
		}
		age := stepped.metric("jsruntime_catalog_age_seconds")
		require.True(t, age >= 0 && age < 60, "the catalog's age is %v s by a clock that is %d s off", age, step)
		w.recovered(t, begun)
	}
	lost := query[int](w, `SELECT count(*) FROM script_executions WHERE lost_count > 0`)
	w.note("executions that lost a lease: %d", lost)
	require.Zero(t, lost)
}
