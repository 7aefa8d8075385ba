package faults

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// adminKey is the superadmin's in every world.
const adminKey = "jsr_faults_0123456789abcdefghijklmnopqrstuvwxyz"

// node is a jsruntime process.
type node struct {
	name string
	base string // URL of its listener
	log  string // its stderr's file
	cmd  *exec.Cmd
	gone chan struct{}
	exit int // once gone

	mu       sync.Mutex
	expected bool // the test ends it
	killedAt time.Time
}

// nodeConfig says how a node differs from the usual one.
type nodeConfig struct {
	name     string
	database string   // URL
	bin      string   // path of jsruntime; empty: the suite's
	netns    string   // network namespace to start in
	host     string   // to listen on; empty: 127.0.0.1
	env      []string // more of it
	listen   int      // port; 0: a free one
	logs     string   // directory of its log; empty: the world's
}

func startNode(t *testing.T, dir string, cfg nodeConfig) *node {
	t.Helper()
	if cfg.bin == "" {
		cfg.bin = filepath.Join(binaries(t), "jsruntime")
	}
	if cfg.host == "" {
		cfg.host = "127.0.0.1"
	}
	if cfg.listen == 0 {
		cfg.listen = freePort(t)
	}
	address := fmt.Sprintf("%s:%d", cfg.host, cfg.listen)
	if cfg.logs == "" {
		cfg.logs = dir
	}
	n := &node{name: cfg.name, base: "http://" + address, log: filepath.Join(cfg.logs, cfg.name+".log"), gone: make(chan struct{})}
	args := []string{"serve", "--listen", address, "--database-url", cfg.database, "--data-dir", filepath.Join(dir, cfg.name)}
	if cfg.netns != "" {
		args = append([]string{"netns", "exec", cfg.netns, cfg.bin}, args...)
		cfg.bin = "ip"
	}
	n.cmd = exec.Command(cfg.bin, args...)
	// Nothing of our own environment but the way to programs: a JSRUNTIME_… of the caller's is not the node's.
	n.cmd.Env = append(append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir},
		"JSRUNTIME_ADMIN_KEY="+adminKey, "JSRUNTIME_SECRET_KEY="+strings.Repeat("ab", 32),
		"JSRUNTIME_FETCH_ALLOW=127.0.0.1,10.77.0.0/16", "JSRUNTIME_WORKERS=8",
	), cfg.env...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer out.Close()
	n.cmd.Stdout, n.cmd.Stderr = out, out
	require.NoError(t, n.cmd.Start())
	go func() {
		_ = n.cmd.Wait()
		n.exit = n.cmd.ProcessState.ExitCode()
		close(n.gone)
	}()
	t.Cleanup(func() { n.kill() })
	return n
}

func (n *node) pid() int { return n.cmd.Process.Pid }

// expect says that the test is about to end the node.
func (n *node) expect() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.expected = true
}

func (n *node) running() bool {
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}

// kill is kill -9.
func (n *node) kill() {
	n.kills(func() { _ = n.cmd.Process.Kill() })
	<-n.gone
}

// kills is what ends the node without a chance to write anything more.
func (n *node) kills(how func()) {
	n.expect()
	n.mu.Lock()
	if n.killedAt.IsZero() {
		n.killedAt = time.Now()
	}
	n.mu.Unlock()
	how()
}

func (n *node) signal(s syscall.Signal) { _ = syscall.Kill(n.pid(), s) }

// workers are the node's worker processes.
func (n *node) workers() []process {
	var found []process
	for _, pid := range children(n.pid()) {
		if p, ok := stat(pid); ok && strings.HasPrefix(p.name, "jsruntime-worke") {
			found = append(found, p)
		}
	}
	return found
}

// zombies are children that ended and were not waited for.
func (n *node) zombies() int {
	count := 0
	for _, pid := range children(n.pid()) {
		if p, ok := stat(pid); ok && p.state == "Z" {
			count++
		}
	}
	return count
}

// status asks a path and returns the answer's status, 0 if there was none within the timeout.
func (n *node) status(path string, timeout time.Duration) int {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, n.base+path, nil)
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

func (n *node) waitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !n.running() || n.status("/readyz", time.Second) == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "%s is not ready", n.name)
	if !n.running() {
		text, _ := os.ReadFile(n.log)
		require.FailNow(t, "node ended", "%s ended with %d:\n%s", n.name, n.exit, text)
	}
}

// metric sums a metric's samples whose labels contain all of the given texts.
func (n *node) metric(name string, labels ...string) float64 {
	resp, err := client.Get(n.base + "/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(resp.Body)
next:
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || (series != name && !strings.HasPrefix(series, name+"{")) {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue next
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err == nil {
			sum += v
		}
	}
	return sum
}

// binaries is where jsruntime and jsruntime-worker are.
func binaries(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(os.Getenv("JSRUNTIME_BINARY"))
	require.NoError(t, err)
	require.FileExists(t, path)
	return filepath.Dir(path)
}

// client follows no redirect, keeps no idle connection for long, and never waits for ever.
var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second},
}
