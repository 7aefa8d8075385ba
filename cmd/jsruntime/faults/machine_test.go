package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Faults that need root: network namespaces and file systems of their own.

func command(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
}

func needRoot(t *testing.T, tools ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
}

// namespace makes a network namespace whose only way out is a pair of devices, and returns its name, our address and its own.
func namespace(t *testing.T) (name, ours, theirs string) {
	t.Helper()
	needRoot(t, "ip", "iptables")
	name = fmt.Sprintf("jsrf%d", os.Getpid()%100000)
	ours, theirs = "10.77.0.1", "10.77.0.2"
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	command(t, "ip", "link", "add", name+"a", "type", "veth", "peer", "name", name+"b")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", name+"a").Run() })
	command(t, "ip", "link", "set", name+"b", "netns", name)
	command(t, "ip", "addr", "add", ours+"/24", "dev", name+"a")
	command(t, "ip", "link", "set", name+"a", "up")
	command(t, "ip", "netns", "exec", name, "ip", "link", "set", "lo", "up")
	command(t, "ip", "netns", "exec", name, "ip", "addr", "add", theirs+"/24", "dev", name+"b")
	command(t, "ip", "netns", "exec", name, "ip", "link", "set", name+"b", "up")
	return name, ours, theirs
}

func partition(t *testing.T, w *world) {
	ns, ours, theirs := namespace(t)
	// Scripts on both nodes reach the sink by our end of the pair.
	w.sink.base = "http://" + ours + ":" + w.sink.port()
	w.open(nodeConfig{name: "node1", netns: ns, host: theirs, database: fmt.Sprintf("postgres://postgres@%s:%d/%s?sslmode=disable", ours, w.db.Port, w.name)}, nodeConfig{name: "node2"})
	cut := w.nodes[0]
	database := fmt.Sprint(w.db.Port)
	drop := func(chain, match string) []string {
		return []string{"ip", "netns", "exec", ns, "iptables", "-A", chain, "-p", "tcp", match, database, "-j", "DROP"}
	}
	for _, kind := range []struct {
		name  string
		rules [][]string
	}{
		{"both ways", [][]string{drop("OUTPUT", "--dport"), drop("INPUT", "--sport")}},
		{"answers lost", [][]string{drop("INPUT", "--sport")}},
		{"questions lost", [][]string{drop("OUTPUT", "--dport")}},
	} {
		ids := w.busy(10, 4000)
		begun := time.Now()
		for _, rule := range kind.rules {
			command(t, rule...)
		}
		// The node in the dark says so, and the other one takes over what it had.
		require.Eventually(t, func() bool { return cut.status("/readyz", 5*time.Second) == http.StatusServiceUnavailable }, 30*time.Second, 100*time.Millisecond, "/readyz stays green in a partition (%s)", kind.name)
		cut.expect()
		w.note("%s: /readyz red after %.1f s", kind.name, time.Since(begun).Seconds())
		w.rescued(ids, begun, time.Minute)
		require.Equal(t, http.StatusOK, cut.status("/healthz", 5*time.Second))
		command(t, "ip", "netns", "exec", ns, "iptables", "-F")
		cut.mu.Lock()
		cut.expected = false
		cut.mu.Unlock()
		cut.waitReady(t)
	}
	w.recovered(t, time.Now())
}

func diskFull(t *testing.T, w *world) {
	needRoot(t, "mount", "umount")
	small := filepath.Join(w.dir, "small")
	require.NoError(t, os.Mkdir(small, 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=192m,mode=755", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", small).Run() })
	w.db = newDatabase(t, small, "min_wal_size = '32MB'", "max_wal_size = '48MB'", "wal_segment_size = '16MB'"[:0])
	w.db.exec(t, "postgres", "CREATE DATABASE "+w.name)
	// What the nodes log goes to the same disk, as it does on a machine that has one.
	w.open(nodeConfig{name: "node1", logs: small}, nodeConfig{name: "node2", logs: small})
	w.paused.Store(true) // while nothing can be written
	defer w.paused.Store(false)
	// Fill what is left, and keep it full: only the relations grow from here, so writes fail and nothing is lost.
	filler := filepath.Join(small, "filler")
	_ = exec.Command("dd", "if=/dev/zero", "of="+filler, "bs=64k").Run()
	info, err := os.Stat(filler)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(1<<20))
	full := false
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		status, _, err := w.call(ctx, w.pick(), "POST", "/api/v1/events", w.key, map[string]any{"type": "fault.nobody", "data": strings.Repeat("x", 100_000)}, nil)
		cancel()
		if err == nil && (status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage) {
			full = true
		}
	}
	require.NoError(t, os.Remove(filler))
	if !full {
		t.Errorf("a full disk was never answered with 503 or 507: %v", w.refusals)
	}
	// Where Postgres could not write its log it has ended; a supervisor starts it again.
	select {
	case <-w.db.Gone():
		w.note("Postgres itself ended")
		w.db.start(t)
	default:
	}
	w.recovered(t, time.Now())
}
