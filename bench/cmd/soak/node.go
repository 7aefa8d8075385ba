package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	nodes "example.com/jsruntime/bench/node"
)

// database is the soak's own, on a server that others may use too.
type database struct {
	admin, url, name string
	pool             *pgxpool.Pool
}

const application = "jsruntime-soak"

func newDatabase(ctx context.Context, server string) (*database, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	d := &database{admin: server, name: fmt.Sprintf("jsruntime_soak_%d", os.Getpid())}
	if err := d.command(ctx, "CREATE DATABASE "+d.name); err != nil {
		return nil, err
	}
	u.Path = "/" + d.name
	d.url = u.String()
	cfg, err := pgxpool.ParseConfig(d.url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 2
	cfg.ConnConfig.RuntimeParams["application_name"] = application
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *database) command(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, d.admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func (d *database) drop() {
	d.pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = d.command(ctx, "DROP DATABASE IF EXISTS "+d.name+" WITH (FORCE)")
}

func (d *database) count(ctx context.Context, sql string, args ...any) (n int, err error) {
	err = d.pool.QueryRow(ctx, sql, args...).Scan(&n)
	return n, err
}

// missing are those of ids that are not in the history.
func (d *database) missing(ctx context.Context, ids []string) ([]string, error) {
	rows, err := d.pool.Query(ctx, `SELECT id FROM unnest($1::text[]) AS w (id) WHERE NOT EXISTS (SELECT FROM script_executions e WHERE e.id = w.id::uuid)`, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// node is the process that is watched.
type node struct {
	base string
	key  string // superadmin's
	cmd  *exec.Cmd
	gone chan struct{}
}

func startNode(cfg config, databaseURL string) (*node, error) {
	address, err := nodes.Address()
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	n := &node{base: "http://" + address, key: "jsr_soak_" + hex.EncodeToString(secret), gone: make(chan struct{})}
	log, err := os.OpenFile(filepath.Join(cfg.dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	n.cmd = exec.Command(cfg.binary, "serve", "--listen", address, "--database-url", databaseURL, "--data-dir", filepath.Join(cfg.dir, "data"))
	n.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cfg.dir, "JSRUNTIME_ADMIN_KEY=" + n.key,
		"JSRUNTIME_SECRET_KEY=" + hex.EncodeToString(secret), "JSRUNTIME_FETCH_ALLOW=127.0.0.1"}
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = n.cmd.Wait(); close(n.gone) }()
	return n, nil
}

func (n *node) pid() int { return n.cmd.Process.Pid }

func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	<-n.gone
}

// end asks the node to end and returns what it leaves behind.
func (n *node) end() (left []string) {
	children := descendants(n.pid())
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.gone:
	case <-time.After(45 * time.Second):
		return []string{"the node does not end after SIGTERM"}
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		left = append(left, fmt.Sprintf("the node ended with %d", code))
	}
	until := time.Now().Add(2 * time.Second)
	for _, p := range children {
		for p.alive() && time.Now().Before(until) {
			time.Sleep(20 * time.Millisecond)
		}
		if p.alive() {
			left = append(left, fmt.Sprintf("process %d outlives the node", p.pid))
		}
	}
	return left
}

// metrics reads /metrics; samples of one name are added up.
func (n *node) metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	sums := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		series, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(series, "#") {
			continue
		}
		name, _, _ := strings.Cut(series, "{")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			sums[name] += v
		}
	}
	return sums, nil
}

// call makes one request with a JSON body and returns status, execution id and the answer's text.
func (n *node) call(ctx context.Context, method, path, key string, body any) (status int, execution string, text []byte, err error) {
	a, err := nodes.Call(ctx, client, method, n.base+path, key, body)
	return a.Status, a.ExecutionID, a.Text, err
}

// must is call where nothing may go wrong; out takes the answer.
func (n *node) must(ctx context.Context, method, path, key string, body, out any) error {
	status, _, text, err := n.call(ctx, method, path, key, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status >= 300 {
		return fmt.Errorf("%s %s: %d %.500s", method, path, status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

var client = &http.Client{
	Timeout: answerWithin,
	// The node closes what was idle for 75 s; a client that uses such a connection at that moment gets no answer.
	Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second},
}
