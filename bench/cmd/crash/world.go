package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/bench/load"
	nodes "example.com/jsruntime/bench/node"
	"example.com/jsruntime/migrations/postgres"
)

// adminKey is the superadmin's of every node here.
const adminKey = "jsr_crash_0123456789abcdefghijklmnopqrstuvwxyz"

// world is one run: a Postgres, nodes, and the sink that scripts call.
type world struct {
	*options
	dir  string
	db   *postgres.Server
	sink *sink

	mu    sync.Mutex
	nodes []*node

	kills, workerKills, restarts int
}

// within makes a world with n nodes for do, and leaves nothing of it behind.
func within(ctx context.Context, o *options, n int, do func(*world) error) (err error) {
	w := &world{options: o}
	if w.dir, err = os.MkdirTemp("", "jsruntime-crash-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			fmt.Fprintln(os.Stderr, "crash: the nodes' and Postgres' logs are kept in", w.dir)
			return
		}
		_ = os.RemoveAll(w.dir)
	}()
	w.db, err = postgres.Start(ctx, postgres.Config{
		DataDir: filepath.Join(w.dir, "database"), Log: slog.New(slog.DiscardHandler),
		Parameters: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.db.Stop(context.WithoutCancel(ctx))) }()
	if w.sink, err = newSink(); err != nil {
		return err
	}
	defer w.sink.close()
	defer func() {
		for _, n := range w.nodes {
			n.kill()
		}
	}()
	for i := range n {
		node := &node{world: w, name: fmt.Sprintf("node%d", i+1)}
		if err := node.start(); err != nil {
			return err
		}
		w.nodes = append(w.nodes, node)
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	return do(w)
}

// ready returns when every node takes requests.
func (w *world) ready(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
	for _, n := range w.nodes {
		for !nodes.Ready(ctx, client, n.base()) {
			if ctx.Err() != nil || time.Now().After(deadline) {
				return fmt.Errorf("%s is not ready; its log is %s", n.name, n.log())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func (w *world) say(format string, args ...any) {
	if w.verbose {
		fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05.0")}, args...)...)
	}
}

// node is a jsruntime process, and the ones that follow it at the same address.
type node struct {
	*world
	name    string
	address string
	cmd     *exec.Cmd
	gone    chan struct{}
}

func (n *node) base() string { return "http://" + n.address }
func (n *node) log() string  { return filepath.Join(n.dir, n.name+".log") }

func (n *node) start() error {
	if n.address == "" {
		var err error
		if n.address, err = nodes.Address(); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(n.bin, "jsruntime"), "serve", "--listen", n.address,
		"--database-url", n.db.URL(), "--data-dir", filepath.Join(n.dir, n.name), "--workers", strconv.Itoa(n.workers))
	// Nothing of our own environment but the way to programs: a JSRUNTIME_… of the caller's is not the node's.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "JSRUNTIME_ADMIN_KEY=" + adminKey,
		"JSRUNTIME_SECRET_KEY=" + strings.Repeat("ab", 32), "JSRUNTIME_FETCH_ALLOW=127.0.0.1"}
	// It ends with us, however we end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	n.cmd, n.gone = cmd, gone
	return nil
}

// kill is kill -9.
func (n *node) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		<-n.gone
	}
}

func (n *node) running() bool {
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}

// havoc kills nodes and workers at random until ctx is done, and leaves all nodes running. A node that ends by itself is an error.
func (w *world) havoc(ctx context.Context) error {
	var back sync.WaitGroup
	defer back.Wait()
	var failure error
	var failed sync.Mutex
	for {
		select {
		case <-ctx.Done():
			back.Wait()
			return failure
		case <-time.After(w.kill/2 + rand.N(w.kill)):
		}
		w.mu.Lock()
		var up []*node
		for _, n := range w.nodes {
			if n.running() {
				up = append(up, n)
			}
		}
		if len(up) < 2 { // the last one goes on, so that the run is of work and not of an outage
			w.mu.Unlock()
			continue
		}
		n := up[rand.IntN(len(up))]
		if pids, _ := load.Workers(n.cmd.Process.Pid); rand.IntN(2) == 0 && len(pids) > 0 {
			pid := pids[rand.IntN(len(pids))]
			w.say("kill -9 of a worker of %s", n.name)
			_ = syscall.Kill(pid, syscall.SIGKILL)
			w.workerKills++
			w.mu.Unlock()
			continue
		}
		w.say("kill -9 of %s", n.name)
		n.kill()
		w.kills++
		w.mu.Unlock()
		back.Go(func() {
			time.Sleep(time.Second + rand.N(3*time.Second))
			w.mu.Lock()
			defer w.mu.Unlock()
			w.say("start of %s", n.name)
			if err := n.start(); err != nil {
				failed.Lock()
				failure = err
				failed.Unlock()
			}
		})
	}
}

// restart restarts Postgres: the first time by a fast shutdown, then by immediate ones.
func (w *world) restart(ctx context.Context) error {
	signal := syscall.SIGINT
	if w.restarts > 0 {
		signal = syscall.SIGQUIT
	}
	w.restarts++
	begun := time.Now()
	if err := w.db.Restart(ctx, signal); err != nil {
		return err
	}
	w.say("Postgres restarted (%s) in %s", signal, time.Since(begun).Round(time.Millisecond))
	return nil
}

// pick is a node at random; it may be one that is down.
func (w *world) pick() *node { return w.nodes[rand.IntN(len(w.nodes))] }

// client waits no longer than an answer may take while Postgres restarts.
var client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// call makes one request, and returns the status; the error is the connection's.
func (n *node) call(ctx context.Context, method, path, key string, body, out any) (int, error) {
	a, err := nodes.Call(ctx, client, method, n.base()+path, key, body)
	if err != nil {
		return 0, err
	}
	if a.Status >= 400 && a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
		return a.Status, fmt.Errorf("%s %s: %d %.300s", method, path, a.Status, a.Text)
	}
	if out != nil && a.Status < 300 {
		if err := json.Unmarshal(a.Text, out); err != nil {
			return a.Status, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return a.Status, nil
}

// must is call where nothing is broken yet.
func (w *world) must(ctx context.Context, method, path, key string, body, out any) error {
	status, err := w.nodes[0].call(ctx, method, path, key, body, out)
	if err == nil && status >= 300 {
		err = fmt.Errorf("%s %s: %d", method, path, status)
	}
	return err
}

// tenant makes a tenant and returns its admin's key.
func (w *world) tenant(ctx context.Context, slug string) (string, error) {
	if err := w.must(ctx, "POST", "/api/v1/tenants", adminKey, map[string]any{"slug": slug, "name": slug}, nil); err != nil {
		return "", err
	}
	var key struct{ Key string }
	err := w.must(ctx, "POST", "/api/v1/tenants/"+slug+"/api-keys", adminKey, map[string]any{"name": "crash", "role": "admin"}, &key)
	return key.Key, err
}

// limits let a script call the sink and run as often as the ceilings allow.
var limits = map[string]any{"max_api_calls_per_minute": 100_000, "max_concurrent_runs": 200}

// query reads one row of the run's own, waiting for a Postgres that starts.
func (w *world) query(ctx context.Context, sql string, args []any, into ...any) error {
	for {
		conn, err := pgx.Connect(ctx, w.db.URL())
		if err == nil {
			err = conn.QueryRow(ctx, sql, args...).Scan(into...)
			_ = conn.Close(ctx)
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// until asks a question of the database until the answer is yes.
func (w *world) until(ctx context.Context, what, sql string, args ...any) error {
	deadline := time.Now().Add(w.settle)
	for {
		var yes bool
		if err := w.query(ctx, sql, args, &yes); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if yes {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, w.settle)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// table prints rows of a name and a value.
func table(title string, rows [][2]string) {
	fmt.Printf("\n%s\n", title)
	for _, row := range rows {
		fmt.Printf("  %-58s %14s\n", row[0], row[1])
	}
}

func number(n int) string { return strconv.Itoa(n) }
