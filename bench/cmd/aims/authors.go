package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/jsruntime/bench/load"
	nodes "example.com/jsruntime/bench/node"
)

// bundleBytes is the size of the bundle of the upload and dev aims.
const bundleBytes = 500 << 10

// bundle is an endpoint of about bundleBytes that answers with version: 1,500 functions that nothing calls, as a bundle of packages has.
func bundle(version int) string {
	var b strings.Builder
	for i := 0; b.Len() < bundleBytes; i++ {
		fmt.Fprintf(&b, "export function f%d(a, b) {\n  const kept = { a, b, name: \"function %d\" };\n  if (a > b) throw new RangeError(`%d: ${a} is above ${b}`);\n"+
			"  for (const [key, value] of Object.entries(kept)) if (value === undefined) delete kept[key];\n"+
			"  return { ...kept, sum: a + b, list: [a, b].map((x) => x * %d) };\n}\n", i, i, i, i)
	}
	fmt.Fprintf(&b, "export default { fetch: () => new Response(\"version %d\") };\n", version)
	return b.String()
}

// author is a tenant's key at a node, and what is called with it.
type author struct {
	base, key, slug string
}

// startForAuthor starts a node with one endpoint, and makes a tenant with a key there. The caller stops the node.
func startForAuthor(ctx context.Context, o *options, name string) (*node, *author, error) {
	n, err := startNode(ctx, o, name, content{tenants: 1, scripts: 1, source: endpoint})
	if err != nil {
		return nil, nil, err
	}
	a, err := n.newAuthor(ctx, "authors")
	if err != nil {
		n.stop()
		return nil, nil, err
	}
	return n, a, nil
}

// newAuthor makes a tenant with a key.
func (n *node) newAuthor(ctx context.Context, slug string) (*author, error) {
	a := &author{base: "http://" + n.address, key: n.admin, slug: slug}
	if err := a.call(ctx, http.MethodPost, "/api/v1/tenants", map[string]any{"slug": slug, "name": slug, "plan": map[string]any{"max_concurrent_runs": 1000}}, nil); err != nil {
		return nil, err
	}
	var made struct{ Key string }
	if err := a.call(ctx, http.MethodPost, "/api/v1/tenants/"+slug+"/api-keys", map[string]any{"name": "aims", "role": "admin"}, &made); err != nil {
		return nil, err
	}
	a.key = made.Key
	return a, nil
}

// call calls the API and decodes its answer, which must be a success, unless into is nil.
func (a *author) call(ctx context.Context, method, path string, body, into any) error {
	answer, err := nodes.Call(ctx, http.DefaultClient, method, a.base+path, a.key, body)
	if err != nil {
		return err
	}
	if answer.Status/100 != 2 {
		return fmt.Errorf("%s %s: %d %.300s", method, path, answer.Status, answer.Text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Text, into)
}

// endpoint makes an active endpoint at path and returns its id.
func (a *author) endpoint(ctx context.Context, path, source string) (string, error) {
	var made struct{ ID string }
	err := a.call(ctx, http.MethodPost, "/api/v1/scripts", map[string]any{
		"name": strings.TrimPrefix(path, "/"), "type": "http", "status": "active", "http_path": path, "http_methods": []string{"GET"}, "source": source,
		"resource_limits": map[string]any{"max_concurrent_runs": 1000},
	}, &made)
	return made.ID, err
}

// live waits until the endpoint answers with text.
func (a *author) live(ctx context.Context, path, text string) error {
	for ctx.Err() == nil {
		answer, err := nodes.Call(ctx, http.DefaultClient, http.MethodGet, a.base+"/t/"+a.slug+path, "", nil)
		if err != nil {
			return err
		}
		if string(answer.Text) == text {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return context.Cause(ctx)
}

// upload measures how long a new source of 500 KB takes from its upload to the first answer of the new version: sent to the API, and by jsruntime deploy.
func upload(ctx context.Context, o *options) error {
	n, a, err := startForAuthor(ctx, o, "upload")
	if err != nil {
		return err
	}
	defer n.stop()
	id, err := a.endpoint(ctx, "/big", bundle(0))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "jsruntime-aims-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "jsruntime.jsonc"), []byte(`{"scripts": {"cli": {"type": "http", "main": "cli.js", "http_path": "/cli", "http_methods": ["GET"]}}}`), 0o600); err != nil {
		return err
	}
	var answered, api, cli []float64
	for i := range 10 * o.rounds {
		text := fmt.Sprintf("version %d", i+1)
		source := bundle(i + 1)
		began := time.Now()
		if err := a.call(ctx, http.MethodPatch, "/api/v1/scripts/"+id, map[string]any{"source": source}, nil); err != nil {
			return err
		}
		answered = append(answered, millis(time.Since(began)))
		if err := a.live(ctx, "/big", text); err != nil {
			return err
		}
		api = append(api, millis(time.Since(began)))
		if err := os.WriteFile(filepath.Join(dir, "cli.js"), []byte(source), 0o600); err != nil {
			return err
		}
		began = time.Now()
		cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "jsruntime"), "deploy", "--dir", dir)
		cmd.Env = []string{"HOME=" + dir, "JSRUNTIME_URL=" + a.base, "JSRUNTIME_KEY=" + a.key}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("deploy: %w: %s", err, out)
		}
		if err := a.live(ctx, "/cli", text); err != nil {
			return err
		}
		cli = append(cli, millis(time.Since(began)))
	}
	say("upload    a source of %d KB, from its upload to the first answer of the new version: %v ms   (aim: p50 300), of which to the API's answer %v; by jsruntime deploy %v ms",
		bundleBytes>>10, spreadOf(api), spreadOf(answered), spreadOf(cli))
	return nil
}

// devLoop measures jsruntime dev: from the save of a file to the first answer of what it says, of a small script and of one of 500 KB.
func devLoop(ctx context.Context, o *options) error {
	dir, err := os.MkdirTemp("", "jsruntime-aims-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	small := func(version int) string {
		return fmt.Sprintf("import { greeting } from \"./lib\";\nexport default { fetch(): Response { return new Response(greeting(%d)); } };\n", version)
	}
	for name, text := range map[string]string{
		"jsruntime.jsonc": `{"scripts": {"small": {"type": "http", "main": "small.ts", "http_path": "/small", "http_methods": ["GET"]},
			"big": {"type": "http", "main": "big.js", "http_path": "/big", "http_methods": ["GET"]}}}`,
		"lib.ts": "export const greeting = (version: number): string => `version ${version}`;\n", "small.ts": small(0), "big.js": bundle(0),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(o.bin, "jsruntime"), "dev", "--json", "--dir", dir, "--port", "0")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	var ready struct{ Event, URL, Tenant string }
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for ready.Event != "ready" {
		if !lines.Scan() {
			return errors.Join(errors.New("dev ended before it was ready"), lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &ready); err != nil {
			return err
		}
	}
	start := time.Since(began)
	go func() {
		for lines.Scan() { // its events are not read any more
		}
	}()
	a := &author{base: ready.URL, slug: ready.Tenant}
	var took [2][]float64
	for i := range 10 * o.rounds {
		for which, save := range []struct{ file, path, text string }{{"small.ts", "/small", small(i + 1)}, {"big.js", "/big", bundle(i + 1)}} {
			began := time.Now()
			if err := os.WriteFile(filepath.Join(dir, save.file), []byte(save.text), 0o600); err != nil {
				return err
			}
			if err := a.live(ctx, save.path, fmt.Sprintf("version %d", i+1)); err != nil {
				return err
			}
			took[which] = append(took[which], millis(time.Since(began)))
		}
	}
	say("dev       from a save to the first answer of what it says: %v ms; of a script of %d KB %v ms   (aim: 1000); the first start, with a database made, %.1f s",
		spreadOf(took[0]), bundleBytes>>10, spreadOf(took[1]), start.Seconds())
	return nil
}

// rollout measures an endpoint of which a candidate has half of the executions beside the same endpoint with one version, in turns.
func rollout(ctx context.Context, o *options) error {
	n, a, err := startForAuthor(ctx, o, "rollout")
	if err != nil {
		return err
	}
	defer n.stop()
	id, err := a.endpoint(ctx, "/rolled", endpoint)
	if err != nil {
		return err
	}
	versions := "/api/v1/scripts/" + id + "/versions"
	if err := a.call(ctx, http.MethodPost, versions, map[string]any{"source": endpoint + "\n// the candidate"}, nil); err != nil {
		return err
	}
	path := "/t/" + a.slug + "/rolled"
	run := func(percent int) (micros, p50 float64, err error) {
		version := "/2"
		if percent == 100 {
			version = "/1"
		}
		if err := a.call(ctx, http.MethodPost, versions+version+"/activate", map[string]any{"percent": percent}, nil); err != nil {
			return 0, 0, err
		}
		if _, err := load.Run(ctx, load.Config{Address: n.address, Paths: []string{path}, Connections: o.connections, Duration: 2 * time.Second}); err != nil {
			return 0, 0, err
		}
		before, err := load.Tree(n.cmd.Process.Pid)
		if err != nil {
			return 0, 0, err
		}
		res, err := load.Run(ctx, load.Config{Address: n.address, Paths: []string{path}, Connections: o.connections, Duration: o.duration})
		if err != nil {
			return 0, 0, err
		}
		if res.Status[http.StatusOK] != res.Requests || res.Failed() > 0 {
			return 0, 0, fmt.Errorf("not every answer was a 200: %v", res)
		}
		after, err := load.Tree(n.cmd.Process.Pid)
		if err != nil {
			return 0, 0, err
		}
		return float64((after["jsruntime"].CPU - before["jsruntime"].CPU).Microseconds()) / float64(res.Requests), millis(res.Quantile(.5)), nil
	}
	var cpu, p50 [2][]float64 // of one version, of two
	for range o.rounds {
		for i, percent := range []int{100, 50} {
			micros, median, err := run(percent)
			if err != nil {
				return err
			}
			cpu[i], p50[i] = append(cpu[i], micros), append(p50[i], median)
		}
	}
	say("rollout   the node's CPU of a request with two versions at 50 %% by that with one: %v   (%v and %v us); p50 %v and %v ms", ratios(cpu[1], cpu[0]), spreadOf(cpu[1]), spreadOf(cpu[0]),
		spreadOf(p50[1]), spreadOf(p50[0]))
	return nil
}

// adminKey is an operator's key for one node.
func adminKey() string { return "jsr_" + rand.Text() + rand.Text() }
