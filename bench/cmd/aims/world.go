package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/bench/load"
	nodes "example.com/jsruntime/bench/node"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/migrations"
)

// endpoint is the small JSON endpoint that the rates are of.
const endpoint = `export default {
  async fetch(request) {
    const name = new URL(request.url).searchParams.get("name") ?? "world";
    return Response.json({ hello: name, at: request.method });
  },
};`

// content is what a database is filled with before its node starts: tenants t1, t2, … with scripts at /s1, /s2, …
type content struct {
	tenants int
	scripts int // of each
	source  string
	limits  string // resource_limits, JSON; "" means what the endpoint may need at any load
	bin     string // folder of the node's programs; "" means options.bin
}

// node is a running node on a database of its own.
type node struct {
	address     string
	db          string
	server      string
	databaseURL string
	admin       string // the operator's key
	cmd         *exec.Cmd
	done        chan struct{} // closed when it has ended
}

func path(tenant, script int) string { return fmt.Sprintf("/t/t%d/s%d", tenant, script) }

// startNode makes database name, fills it, and starts a node on it with the given arguments.
func startNode(ctx context.Context, o *options, name string, c content, args ...string) (_ *node, err error) {
	n := &node{server: o.postgres, db: "jsruntime_aims_" + name, admin: adminKey()}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	databaseURL, err := n.fill(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	n.databaseURL = databaseURL
	if n.address, err = nodes.Address(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "jsruntime-aims-")
	if err != nil {
		return nil, err
	}
	bin, err := filepath.Abs(filepath.Join(cmp.Or(c.bin, o.bin), "jsruntime"))
	if err != nil {
		return nil, err
	}
	n.cmd = exec.Command(bin, append([]string{"serve", "--listen", n.address, "--data-dir", dir, "--log-level", "error"}, args...)...)
	n.cmd.Dir = dir
	n.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C", "DATABASE_URL=" + databaseURL, "JSRUNTIME_ADMIN_KEY=" + n.admin, "JSRUNTIME_SECRET_KEY=" + strings.Repeat("0f", 32)}
	n.cmd.Stdout, n.cmd.Stderr = io.Discard, os.Stderr
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		n.cmd = nil
		return nil, err
	}
	n.done = make(chan struct{})
	go func() {
		defer close(n.done)
		_ = n.cmd.Wait()
		_ = os.RemoveAll(dir)
	}()
	return n, nodes.AwaitReady(ctx, http.DefaultClient, "http://"+n.address, n.done, 2*time.Minute)
}

// stop ends the node and drops its database.
func (n *node) stop() {
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(40*time.Second, func() { _ = n.cmd.Process.Kill() })
		<-n.done
		kill.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if conn, err := pgx.Connect(ctx, n.server); err == nil {
		_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+n.db+" WITH (FORCE)")
		_ = conn.Close(ctx)
	}
}

func (n *node) fill(ctx context.Context, c content) (string, error) {
	admin, err := pgx.Connect(ctx, n.server)
	if err != nil {
		return "", err
	}
	defer admin.Close(ctx)
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + n.db + " WITH (FORCE)", "CREATE DATABASE " + n.db} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(n.server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + n.db
	if err := migrations.Up(ctx, u.String()); err != nil {
		return "", err
	}
	out, err := compile.Compile(ctx, compile.Input{Source: c.source, Handler: "fetch"})
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if c.limits == "" {
		c.limits = `{"max_concurrent_runs": 1000}`
	}
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"SET session_replication_role = replica", nil}, // no notification for each row
		{`INSERT INTO tenants (slug, name, settings) SELECT 't' || i, 't', '{"max_concurrent_runs": 1000}' FROM generate_series(1, $1::int) i`, []any{c.tenants}},
		{`INSERT INTO organizations (tenant_id, name, is_default) SELECT id, 'o', true FROM tenants`, nil},
		{`INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, http_path, http_methods, resource_limits)
			SELECT o.tenant_id, o.id, 's' || i, $2, 'http', 'active', '/s' || i, ARRAY['GET'], $3::jsonb FROM organizations o, generate_series(1, $1::int) i`,
			[]any{c.scripts, c.source, c.limits}},
		{`INSERT INTO script_versions (script_id, tenant_id, version_number, source, compiled, source_map, source_sha256, handlers)
			SELECT id, tenant_id, version, source, $1, $2, $3, $4 FROM scripts`, []any{out.Compiled, out.SourceMap, out.SHA256, out.Handlers}},
		{`INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods) SELECT id, tenant_id, http_path, http_methods FROM scripts`, nil},
		{"ANALYZE", nil},
	} {
		if _, err := conn.Exec(ctx, s.sql, s.args...); err != nil {
			return "", err
		}
	}
	return u.String(), nil
}

// get calls the endpoint once.
func (n *node) get(client *http.Client, path string) (status int, body string, took time.Duration, err error) {
	began := time.Now()
	resp, err := client.Get("http://" + n.address + path)
	if err != nil {
		return 0, "", 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), time.Since(began), err
}

// expect is get where only a 200 will do.
func (n *node) expect(client *http.Client, path string) (string, time.Duration, error) {
	status, body, took, err := n.get(client, path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %.200s", path, status, body)
	}
	return body, took, err
}

// rate is the rate of a closed loop in which every answer is a 200.
func (n *node) rate(ctx context.Context, o *options, connections int, paths ...string) (*load.Result, error) {
	res, err := load.Run(ctx, load.Config{Address: n.address, Paths: paths, Connections: connections, Warmup: time.Second, Duration: o.duration})
	if err == nil && (res.Status[http.StatusOK] != res.Requests || res.Failed() > 0) {
		err = fmt.Errorf("not every answer was a 200: %v", res)
	}
	return res, err
}

// workers is the private memory of each of the node's workers, in bytes.
func (n *node) workers() ([]float64, error) {
	pids, err := load.Workers(n.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	var out []float64
	for _, pid := range pids {
		use, err := load.Process(pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		out = append(out, float64(use.Private))
	}
	return out, nil
}
