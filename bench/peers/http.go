package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/bench/load"
)

// endpoint is a peer that serves the small JSON endpoint: start returns once it answers.
type endpoint struct {
	name  string
	what  string
	start func(ctx context.Context, o *options) (*process, string, string, error) // process, address, path
}

func endpoints() []endpoint {
	npm := func(args func(o *options, port string) (string, []string)) func(context.Context, *options) (*process, string, string, error) {
		return func(ctx context.Context, o *options) (*process, string, string, error) {
			port, err := freePort()
			if err != nil {
				return nil, "", "", err
			}
			name, rest := args(o, strconv.Itoa(port))
			p, err := start(o.js, nil, name, rest...)
			if err != nil {
				return nil, "", "", err
			}
			address := "127.0.0.1:" + strconv.Itoa(port)
			return p, address, "/?name=bench", p.waitFor(ctx, address)
		}
	}
	bin := func(o *options, name string) string { return filepath.Join(o.js, "node_modules", ".bin", name) }
	return []endpoint{
		{"jsruntime", "tenant endpoint, history on", startRuntime},
		{"jsruntime-none", "tenant endpoint, history none", startLean},
		{"gin", "bare Gin, no JavaScript", npm(func(_ *options, port string) (string, []string) {
			self, _ := os.Executable()
			return self, []string{"gin", port}
		})},
		{"workerd", "no limits, no history", npm(func(o *options, port string) (string, []string) {
			return bin(o, "workerd"), []string{"serve", "--socket-addr=http=127.0.0.1:" + port, "workerd.capnp"}
		})},
		{"deno", "no limits, no history", npm(func(o *options, port string) (string, []string) {
			return bin(o, "deno"), []string{"run", "--allow-net=127.0.0.1", "deno.js", port}
		})},
		{"bun", "no limits, no history", npm(func(o *options, port string) (string, []string) { return bin(o, "bun"), []string{"bun.js", port} })},
		{"isolated-vm", "Node, memory limit and timeout, no history", npm(func(o *options, port string) (string, []string) {
			return "node", []string{"isolated-vm.cjs", port}
		})},
	}
}

func compareHTTP(ctx context.Context, o *options, into *tables) error {
	rates, p50, p99 := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	var order []endpoint
	began := loadAverage()
	for round := range o.rounds {
		for _, e := range endpoints() {
			if !o.wants(e.name) {
				continue
			}
			if round == 0 {
				order = append(order, e)
			}
			res, err := measure(ctx, o, e)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d %-12s %v\n", round+1, e.name, res)
			rates[e.name] = append(rates[e.name], res.Rate())
			p50[e.name] = append(p50[e.name], float64(res.Quantile(.5))/1e6)
			p99[e.name] = append(p99[e.name], float64(res.Quantile(.99))/1e6)
		}
	}
	if len(order) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, load of the machine %s before it and %s after it.\n\n| peer | what | req/s | p50 ms | p99 ms | jsruntime's rate by this one's: median (least to greatest) |\n|---|---|---|---|---|---|\n", time.Now().UTC().Format("2006-01-02"), began, loadAverage())
	for _, e := range order {
		r, q := spreadOf(rates[e.name]), ratios(rates["jsruntime"], rates[e.name])
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.2f | %.2f | %.2f (%.2f to %.2f) |\n", e.name, e.what, r.median,
			spreadOf(p50[e.name]).median, spreadOf(p99[e.name]).median, q.median, q.low, q.high)
	}
	into.add(fmt.Sprintf("Small JSON endpoint, %d connections, closed loop, %d rounds of %v", o.connections, o.rounds, o.duration), b.String())
	return nil
}

func measure(ctx context.Context, o *options, e endpoint) (*load.Result, error) {
	p, address, path, err := e.start(ctx, o)
	if p != nil {
		defer p.stop()
	}
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = check("GET", "http://"+address+path, nil); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
	res, err := load.Run(ctx, load.Config{Address: address, Paths: []string{path}, Connections: o.connections, Warmup: 2 * time.Second, Duration: o.duration})
	if err != nil {
		return nil, err
	}
	if res.Status[200] != res.Requests || res.Failed() > 0 {
		return nil, fmt.Errorf("not every answer was a 200: %v", res)
	}
	return res, nil
}

// check sees that the peer really gives the answer that all of them are compared by.
func check(method, url string, body []byte) error {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var got struct{ Hello, At string }
	if err := json.Unmarshal(raw, &got); err != nil || got.Hello != "bench" || got.At != method {
		return fmt.Errorf("unexpected answer %d %q", resp.StatusCode, raw)
	}
	return nil
}

// serveGin serves the endpoint on a port; with the URL of a database also one that reads a row of it for each request.
func serveGin(ctx context.Context, args []string) error {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"hello": c.DefaultQuery("name", "world"), "at": c.Request.Method})
	})
	r.POST("/", func(c *gin.Context) {
		var body struct {
			Name  string `json:"name"`
			Items []any  `json:"items"`
		}
		if err := c.ShouldBindJSON(&body); err != nil {
			c.String(http.StatusBadRequest, err.Error())
			return
		}
		c.JSON(http.StatusOK, gin.H{"hello": body.Name, "at": c.Request.Method, "items": len(body.Items)})
	})
	if len(args) > 1 {
		pool, err := pgxpool.New(ctx, args[1])
		if err != nil {
			return err
		}
		defer pool.Close()
		if _, err := pool.Exec(ctx, `CREATE TABLE kv (key text PRIMARY KEY, value jsonb); INSERT INTO kv VALUES ('name', '"bench"')`); err != nil {
			return err
		}
		r.GET("/kv", func(c *gin.Context) {
			var name string
			if err := pool.QueryRow(c.Request.Context(), "SELECT value #>> '{}' FROM kv WHERE key = $1", "name").Scan(&name); err != nil {
				c.String(http.StatusInternalServerError, err.Error())
				return
			}
			c.JSON(http.StatusOK, gin.H{"hello": name, "at": c.Request.Method})
		})
	}
	return r.Run("127.0.0.1:" + args[0])
}

const adminKey = "jsr_benchadm_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// one is the scene of the closed loop over the small JSON endpoint.
func one() *scene { return &scene{tenants: 1, method: http.MethodGet, source: "handler.js"} }

// startRuntime starts a node on a fresh database with one tenant and its endpoint.
func startRuntime(ctx context.Context, o *options) (*process, string, string, error) {
	return startOne(ctx, o, "jsruntime", nil)
}

// startLean is startRuntime with a script that keeps no history.
func startLean(ctx context.Context, o *options) (*process, string, string, error) {
	return startOne(ctx, o, "jsruntime-none", map[string]any{"store": "none"})
}

func startOne(ctx context.Context, o *options, name string, history map[string]any) (*process, string, string, error) {
	p := &peer{name: name}
	err := one().startRuntime(ctx, o, p, history)
	return p.process, p.address, "/t/bench/hello?name=bench", err
}

func startNode(ctx context.Context, o *options, databaseURL string, args ...string) (*process, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	dir, err := os.MkdirTemp("", "jsruntime-bench-")
	if err != nil {
		return nil, "", err
	}
	p, err := start(dir, []string{"DATABASE_URL=" + databaseURL, "JSRUNTIME_ADMIN_KEY=" + adminKey},
		filepath.Join(o.bin, "jsruntime"), append([]string{"serve", "--listen", address, "--data-dir", dir, "--log-level", "error", "--no-console-link"}, args...)...)
	if err != nil {
		return nil, "", err
	}
	return p, address, p.waitFor(ctx, address)
}

type admin struct{ base string }

// makeTenant waits until the node is ready, then makes a tenant.
func (a admin) makeTenant(slug string) error {
	for range 200 {
		resp, err := http.Get(a.base + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return a.post("/api/v1/tenants", map[string]any{"slug": slug, "name": "Bench", "plan": map[string]any{"max_queue_depth": 10_000_000, "max_concurrent_runs": 1000}})
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the node does not get ready")
}

func (a admin) post(path string, body any) error { return a.postAs("bench", path, body) }

// postAs sends a body on behalf of a tenant, except where it makes one.
func (a admin) postAs(tenant, path string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, a.base+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	req.Header.Set("Content-Type", "application/json")
	if !strings.HasPrefix(path, "/api/v1/tenants") {
		req.Header.Set("X-Tenant", tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %d %s", path, resp.StatusCode, answer)
	}
	return nil
}
