package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/bench/load"
)

// scene is one comparison over HTTP. All its peers run while it lasts, and are measured by turns; a peer that is not measured has nothing
// to do.
type scene struct {
	name    string // of -tables
	title   string // its part before the first comma or colon names the table for good
	tenants int
	rate    float64 // requests a second, open loop; 0: closed loop
	method  string
	body    []byte
	source  string        // file of the script in js
	kv      bool          // the script reads one key
	warm    time.Duration // of load over all tenants before anything is measured
	rounds  int           // 0 means options.rounds
	peers   []string
}

func scenes(o *options) []scene {
	js := []string{"jsruntime", "jsruntime-none", "workerd", "gin"}
	all := []scene{
		{name: "low", title: "100 requests a second, one tenant, open loop", tenants: 1, rate: 100, peers: js},
		{name: "low", title: "100 requests a second over 100 tenants at random, open loop", tenants: 100, rate: 100, warm: 10 * time.Second, peers: js[:3]},
		{name: "open", title: "2,000 requests a second, one tenant, open loop", tenants: 1, rate: 2000, peers: js},
		{name: "post", title: "POST with a JSON body of 10 KB, closed loop", tenants: 1, method: "POST", body: tenKB(), source: "post.js", peers: js},
		{name: "kv", title: "A script that reads one key, closed loop", tenants: 1, source: "kv.js", kv: true, peers: []string{"jsruntime", "jsruntime-none", "gin"}},
	}
	for _, n := range o.tenants {
		all = append(all, scene{
			name: "tenants", title: fmt.Sprintf("%d tenants at random, closed loop", n), tenants: n, warm: time.Duration(n) * 90 * time.Millisecond, peers: js[:3],
		})
	}
	for i := range all {
		s := &all[i]
		if s.method == "" {
			s.method = "GET"
		}
		if s.source == "" {
			s.source = "handler.js"
		}
	}
	return all
}

// tenKB is a body of about 10 KB as an application sends it: a list of small objects.
func tenKB() []byte {
	var b strings.Builder
	b.WriteString(`{"name":"bench","items":[`)
	for i := 0; b.Len() < 10_000; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"item number %d","tags":["a","b"],"price":%d.5}`, i, i, i)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

// peer is a server of a scene that runs.
type peer struct {
	name     string
	what     string
	process  *process
	address  string
	paths    []string
	database string // of which it uses backends; "" if none

	rates, p50, p90, p99, p999 []float64
	cpu                        map[string][]float64 // of its processes by name, µs a request
	all                        []float64            // of them together
	private                    float64              // MiB, after the last round
}

// compareScenes calls keep after each table, so that a peer that fails takes no other table with it.
func compareScenes(ctx context.Context, o *options, into *tables, keep func() error) error {
	for _, s := range scenes(o) {
		if !o.makes(s.name) {
			continue
		}
		if err := s.compare(ctx, o, into); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		if err := keep(); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) compare(ctx context.Context, o *options, into *tables) error {
	var peers []*peer
	defer func() {
		for _, p := range peers {
			p.process.stop()
		}
	}()
	for _, name := range s.peers {
		if !o.wants(name) {
			continue
		}
		p, err := s.start(ctx, o, name)
		if p != nil && p.process != nil {
			peers = append(peers, p)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := s.prepare(ctx, o, p); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(peers) == 0 {
		return nil
	}
	began := loadAverage()
	for round := range o.rounds {
		for _, p := range peers {
			if err := s.measure(ctx, o, p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			fmt.Fprintf(os.Stderr, "%s, round %d %-14s %.0f req/s, p50 %.2f p99 %.2f ms, %.0f us\n", s.name, round+1, p.name, last(p.rates), last(p.p50), last(p.p99), last(p.all))
		}
	}
	into.add(s.title, s.table(o, peers, began))
	return nil
}

func last(v []float64) float64 { return v[len(v)-1] }

// start starts a peer with the scene's scripts.
func (s *scene) start(ctx context.Context, o *options, name string) (*peer, error) {
	p := &peer{name: name, cpu: map[string][]float64{}}
	var err error
	switch name {
	case "jsruntime":
		p.what = "history on"
		err = s.startRuntime(ctx, o, p, nil)
	case "jsruntime-none":
		p.what = "history none"
		err = s.startRuntime(ctx, o, p, map[string]any{"store": "none"})
	case "workerd":
		p.what = "one service"
		if s.tenants > 1 {
			p.what = fmt.Sprintf("%d services behind a dispatcher", s.tenants)
		}
		err = s.startWorkerd(ctx, o, p)
	case "gin":
		p.what = "bare, no JavaScript"
		args := []string{"gin"}
		if s.kv {
			p.what = "bare, one SELECT by pgx"
			var db string
			if db, err = freshDatabase(ctx, o.postgres, "jsruntime_bench_gin"); err != nil {
				return p, err
			}
			p.database = "jsruntime_bench_gin"
			args = append(args, db)
		}
		err = s.startGin(ctx, p, args)
	default:
		err = errors.New("no such peer")
	}
	return p, err
}

func (s *scene) startGin(ctx context.Context, p *peer, args []string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args = slices.Insert(args, 1, strconv.Itoa(port))
	if p.process, err = start(".", nil, self, args...); err != nil {
		return err
	}
	p.address, p.paths = "127.0.0.1:"+strconv.Itoa(port), []string{"/?name=bench"}
	if s.kv {
		p.paths = []string{"/kv"}
	}
	return p.process.waitFor(ctx, p.address)
}

// startRuntime starts a node on a database of its own, with a script of each tenant.
func (s *scene) startRuntime(ctx context.Context, o *options, p *peer, history map[string]any) error {
	p.database = "jsruntime_bench_" + strings.ReplaceAll(p.name, "-", "_")
	db, err := freshDatabase(ctx, o.postgres, p.database)
	if err != nil {
		return err
	}
	args := []string{"--api-rate", "1000000", "--api-tenant-rate", "1000000", "--limit-ceiling", "max_api_calls_per_minute=1000000000"}
	if s.tenants > 1 {
		args = append(args, "--workers", strconv.Itoa(s.tenants+16))
	}
	if p.process, p.address, err = startNode(ctx, o, db, args...); err != nil {
		return err
	}
	source, err := os.ReadFile(filepath.Join(o.js, s.source))
	if err != nil {
		return err
	}
	api := admin{base: "http://" + p.address}
	for i := range s.tenants {
		slug := "bench"
		if i > 0 {
			slug = fmt.Sprintf("bench%d", i)
		}
		if err := api.makeTenant(slug); err != nil {
			return err
		}
		script := map[string]any{
			"name": "bench", "type": "http", "status": "active", "source": string(source), "http_path": "/hello", "http_methods": []string{s.method},
			"resource_limits": map[string]any{"max_concurrent_runs": 64},
		}
		if s.kv {
			script["resource_limits"] = map[string]any{"max_concurrent_runs": 64, "max_api_calls_per_minute": 1_000_000_000}
		}
		if history != nil {
			script["history"] = history
		}
		if err := api.postAs(slug, "/api/v1/scripts", script); err != nil {
			return err
		}
		p.paths = append(p.paths, "/t/"+slug+"/hello?name=bench")
	}
	return nil
}

const dispatcher = `export default { fetch(request, env) {
  const url = request.url, at = url.indexOf("/", 8) + 1;
  return env[url.slice(at, url.indexOf("/", at))].fetch(request);
} };
`

// startWorkerd starts workerd with a service for each tenant, behind a dispatcher if there are several.
func (s *scene) startWorkerd(ctx context.Context, o *options, p *peer) error {
	dir, err := os.MkdirTemp("", "jsruntime-bench-")
	if err != nil {
		return err
	}
	source, err := os.ReadFile(filepath.Join(o.js, s.source))
	if err != nil {
		return err
	}
	var services, bindings strings.Builder
	for i := range s.tenants {
		fmt.Fprintf(&services, "  (name = \"s%d\", worker = (modules = [(name = \"handler.js\", esModule = embed \"handler.js\")], compatibilityDate = \"2025-11-01\")),\n", i)
		fmt.Fprintf(&bindings, "(name = \"s%d\", service = \"s%d\"), ", i, i)
		p.paths = append(p.paths, fmt.Sprintf("/s%d/hello?name=bench", i))
	}
	entry := "s0"
	if s.tenants > 1 {
		entry = "dispatcher"
		fmt.Fprintf(&services, "  (name = \"dispatcher\", worker = (modules = [(name = \"dispatcher.js\", esModule = embed \"dispatcher.js\")], compatibilityDate = \"2025-11-01\", bindings = [%s])),\n", bindings.String())
	}
	config := fmt.Sprintf("using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n services = [\n%s ],\n sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = %q)],\n);\n", services.String(), entry)
	for name, text := range map[string]string{"handler.js": string(source), "dispatcher.js": dispatcher, "workerd.capnp": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	if p.process, err = start(dir, nil, filepath.Join(o.js, "node_modules", ".bin", "workerd"), "serve", "--socket-addr=http=127.0.0.1:"+strconv.Itoa(port), "workerd.capnp"); err != nil {
		return err
	}
	p.address = "127.0.0.1:" + strconv.Itoa(port)
	return p.process.waitFor(ctx, p.address)
}

func (s *scene) config(o *options, p *peer) load.Config {
	cfg := load.Config{Address: p.address, Method: s.method, Paths: p.paths, Random: true, Body: s.body, Connections: o.connections, Rate: s.rate}
	if s.body != nil {
		cfg.Headers = []string{"Content-Type: application/json"}
	}
	return cfg
}

// prepare sees that each of the peer's paths gives the right answer, and warms them up.
func (s *scene) prepare(ctx context.Context, o *options, p *peer) error {
	for i, path := range p.paths {
		var err error
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if err = check(s.method, "http://"+p.address+path, s.body); err == nil || i > 0 || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	cfg := s.config(o, p)
	cfg.Rate, cfg.Duration = 0, max(s.warm, 3*time.Second)
	_, err := load.Run(ctx, cfg)
	return err
}

func (s *scene) measure(ctx context.Context, o *options, p *peer) error {
	cfg := s.config(o, p)
	cfg.Duration = o.duration
	if s.rate > 0 && s.rate < 1000 {
		cfg.Duration = 2 * o.duration
	}
	before, err := p.usage(ctx, o)
	if err != nil {
		return err
	}
	res, err := load.Run(ctx, cfg)
	if err != nil {
		return err
	}
	after, err := p.usage(ctx, o)
	if err != nil {
		return err
	}
	if res.Status[200] != res.Requests || res.Failed() > 0 {
		return fmt.Errorf("not every answer was a 200: %v", res)
	}
	together, private := 0.0, 0.0
	for name, use := range after {
		cpu := float64((use.CPU - before[name].CPU).Microseconds()) / float64(res.Requests)
		p.cpu[name] = append(p.cpu[name], cpu)
		together += cpu
		private += float64(use.Private) / (1 << 20)
	}
	p.all, p.private = append(p.all, together), private
	p.rates = append(p.rates, res.Rate())
	for q, into := range map[float64]*[]float64{.5: &p.p50, .9: &p.p90, .99: &p.p99, .999: &p.p999} {
		*into = append(*into, float64(res.Quantile(q))/1e6)
	}
	return nil
}

// usage is what the peer's processes have used, by name. Backends of Postgres count where they are processes of this machine.
func (p *peer) usage(ctx context.Context, o *options) (map[string]load.Usage, error) {
	use, err := load.Tree(p.process.cmd.Process.Pid)
	if err != nil || p.database == "" {
		return use, err
	}
	conn, err := pgx.Connect(ctx, o.postgres)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE datname = $1`, p.database)
	if err != nil {
		return nil, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, err
	}
	postgres := load.Usage{}
	for _, pid := range pids {
		if one, err := load.Process(int(pid)); err == nil && one.Name == "postgres" {
			postgres.Processes++
			postgres.CPU += one.CPU
		}
	}
	if postgres.Processes > 0 {
		use["postgres"] = postgres
	}
	return use, nil
}

func (s *scene) table(o *options, peers []*peer, began string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, load of the machine %s before it and %s after it, %d rounds of %v by turns, %d connections. CPU is of `/proc`, µs a request: the server, workers, Postgres, and together.\n\n",
		time.Now().UTC().Format("2006-01-02"), cores(), began, loadAverage(), o.rounds, o.duration, o.connections)
	compared := "jsruntime's rate by this one's"
	value := func(p *peer) []float64 { return p.rates }
	if s.rate > 0 {
		compared = "jsruntime's CPU by this one's"
		value = func(p *peer) []float64 { return p.all }
	}
	fmt.Fprintf(&b, "| peer | what | req/s | p50, p90, p99, p99.9 ms | CPU | private MiB | %s: median (least to greatest) |\n|---|---|---|---|---|---|---|\n", compared)
	for _, p := range peers {
		m := func(v []float64) float64 { return spreadOf(v).median }
		cpu := fmt.Sprintf("%.0f", m(p.all))
		if p.database != "" {
			cpu = fmt.Sprintf("%.0f, %.0f, %.0f: %.0f", m(p.cpu["jsruntime"]), m(p.cpu["jsruntime-worke"]), m(p.cpu["postgres"]), m(p.all))
			if p.name == "gin" {
				cpu = fmt.Sprintf("%.0f, –, %.0f: %.0f", m(p.all)-m(p.cpu["postgres"]), m(p.cpu["postgres"]), m(p.all))
			}
		}
		q := ratios(value(peers[0]), value(p))
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.2f, %.2f, %.2f, %.2f | %s | %.0f | %.2f (%.2f to %.2f) |\n", p.name, p.what, m(p.rates), m(p.p50), m(p.p90), m(p.p99), m(p.p999), cpu, p.private,
			q.median, q.low, q.high)
	}
	return b.String()
}

func loadAverage() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
