// Command wpt runs a copy of the web-platform-tests in our isolates and prints the pass rate of each area.
//
//	wpt -wpt FOLDER [-v] [-expected FILE] [area or file …]
//
// A test file is run as one execution of a script: a prelude that stands for a worker's globals, testharness.js, the scripts
// of its META lines and the file itself. Files of the copy are served to fetch by name; nothing else is reachable. With -expected the
// failures must be those of a list: expected.txt is that of the copy that `make wpt` uses.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/jsruntime/engine/internal/isolate"
	"example.com/jsruntime/engine/internal/webapi"
)

// An area is a folder of the tests, with what of it makes sense without a document, a network or another realm.
type area struct {
	name  string
	globs []string
	skip  map[string]string // part of a path → why
}

var areas = []area{
	{"url", []string{"url/*.any.js", "url/*.window.js"}, map[string]string{
		"idlharness": "needs the interface files' parser", "javascript-urls": "document", "url-setters-a-area": "document", "a-element": "document", "data-uri-fragment": "document",
		"historical": "asserts globals of a document",
	}},
	{"urlpattern", []string{"urlpattern/*.any.js"}, map[string]string{"https": "the same tests twice"}},
	{"headers", []string{"fetch/api/headers/*.any.js"}, map[string]string{"no-cors": "no CORS here", "headers-basic-network": "network"}},
	{"request", []string{"fetch/api/request/*.any.js"}, map[string]string{
		"request-cache": "network", "bad-port": "network", "request-keepalive-quota": "network",
	}},
	{"response", []string{"fetch/api/response/*.any.js"}, nil},
	{"body", []string{"fetch/api/body/*.any.js"}, nil},
	{"abort", []string{"dom/abort/*.any.js"}, nil},
	{"events", []string{"dom/events/*.any.js"}, nil},
	{"encoding", []string{"encoding/*.any.js", "encoding/streams/*.any.js"}, map[string]string{
		"idlharness": "interface files", "realms": "other realms", "sharedarraybuffer": "SharedArrayBuffer is off",
	}},
	{"streams", []string{"streams/*/*.any.js", "streams/*.any.js"}, map[string]string{
		"idlharness": "interface files", "transferable": "needs postMessage", "cross-realm": "other realms", "crashtests": "asserts nothing",
	}},
	{"structured-clone", []string{"html/webappapis/structured-clone/structured-clone-battery-of-tests.js"}, nil},
	{"timers", []string{"html/webappapis/timers/*.any.js", "html/webappapis/microtask-queuing/*.any.js"}, map[string]string{
		"queue-microtask-exceptions": "needs window.onerror", "window": "document",
	}},
	{"atob", []string{"html/webappapis/atob/*.any.js"}, nil},
	{"crypto", []string{"WebCryptoAPI/*.any.js", "WebCryptoAPI/*/*.any.js", "WebCryptoAPI/*/*/*.any.js"}, map[string]string{
		"idlharness": "interface files", "secure_context": "document",
	}},
	{"file", []string{"FileAPI/blob/*.any.js", "FileAPI/file/File-constructor.any.js"}, nil},
	{"formdata", []string{"xhr/formdata/*.any.js"}, nil},
	{"time", []string{"hr-time/*.any.js"}, map[string]string{"idlharness": "interface files", "timeorigin": "document", "cross-origin": "document", "raf": "document"}},
	{"console", []string{"console/*.any.js"}, map[string]string{"idlharness": "interface files"}},
	{"data-urls", []string{"fetch/data-urls/*.any.js"}, nil},
	{"mime", []string{"mimesniff/mime-types/*.any.js"}, nil},
	{"compression", []string{"compression/*.any.js"}, map[string]string{"idlharness": "interface files"}},
}

type result struct {
	Name    string `json:"name"`
	Status  int    `json:"status"` // 0 pass, 1 fail, 2 timeout, 3 not run
	Message string `json:"message"`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("wpt", flag.ContinueOnError)
	root := flags.String("wpt", "", "folder of web-platform-tests")
	verbose := flags.Bool("v", false, "list what fails, and why")
	log := flags.Bool("log", false, "print what the tests log")
	timeout := flags.Duration("timeout", 60*time.Second, "for one file")
	parallel := flags.Int("parallel", runtime.GOMAXPROCS(0), "how many files run at one time")
	list := flags.String("expected", "", "file with the failures that are expected; any other failure, and any of these that passes, is an error")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *root == "" {
		fmt.Fprintln(os.Stderr, "wpt: -wpt FOLDER is missing: a copy of the web-platform-tests")
		return 2
	}
	harness, err := os.ReadFile(filepath.Join(*root, "resources/testharness.js"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "wpt:", err)
		return 2
	}
	var expected *expectations
	if *list != "" {
		text, err := os.ReadFile(*list)
		if err == nil {
			expected, err = parseExpectations(string(text))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "wpt:", err)
			return 2
		}
	}
	r := &runner{root: *root, harness: string(harness), timeout: *timeout, log: *log, idle: make(chan *isolate.Runtime, max(*parallel, 1))}
	for range cap(r.idle) {
		rt, err := isolate.New(isolate.Config{Crypto: webapi.Crypto()})
		if err != nil {
			fmt.Fprintln(os.Stderr, "wpt:", err)
			return 1
		}
		r.idle <- rt
	}
	return r.report(r.start(flags.Args(), expected), expected, *verbose)
}

// A test is a file with one of its variants.
type test struct {
	area string
	name string        // the file's path, and its variant
	done chan struct{} // closed once what follows is set
	took time.Duration

	results []result // of what makes sense here
	skipped int
}

// failed returns the results that are not passes. A file that broke off has one more of them, without a name.
func (t *test) failed() []result {
	return slices.DeleteFunc(slices.Clone(t.results), func(x result) bool { return x.Status == 0 })
}

// start begins all tests that filters let through and expected does not leave out.
func (r *runner) start(filters []string, expected *expectations) []*test {
	var all []*test
	for _, a := range areas {
		for _, f := range r.files(a, filters) {
			for _, variant := range r.variants(f) {
				t := &test{area: a.name, name: f + variant, done: make(chan struct{})}
				if expected.omits(t.name) {
					continue
				}
				all = append(all, t)
			}
		}
	}
	go func() {
		for _, t := range all {
			rt := <-r.idle
			go func() {
				defer func() { close(t.done); r.idle <- rt }()
				r.runTest(rt, t)
			}()
		}
	}()
	return all
}

func (r *runner) runTest(rt *isolate.Runtime, t *test) {
	began := time.Now()
	file, variant, found := strings.Cut(t.name, "?")
	if found {
		variant = "?" + variant
	}
	results, failure := r.runFile(rt, file, variant)
	if failure != "" {
		results = append(results, result{Status: 1, Message: failure})
	}
	t.took = time.Since(began)
	t.results = slices.DeleteFunc(slices.Clone(results), func(x result) bool { return x.Status != 0 && notApplicable(file, x) })
	t.skipped = len(results) - len(t.results)
}

// report prints the pass rates, and returns the exit code.
func (r *runner) report(tests []*test, expected *expectations, verbose bool) int {
	fmt.Printf("%-18s %8s %8s %8s %7s\n", "area", "passed", "total", "n/a", "%")
	print := func(c *count, area string) {
		fmt.Printf("%-18s %8d %8d %8d %6.1f%%\n", area, c.passed, c.total, c.skipped, 100*float64(c.passed)/math.Max(1, float64(c.total)))
	}
	var all, one count
	for i, t := range tests {
		<-t.done
		failed := t.failed()
		one.add(t, len(failed))
		all.add(t, len(failed))
		if verbose {
			fmt.Printf("  %s: %d/%d in %d ms\n", t.name, len(t.results)-len(failed), len(t.results), t.took.Milliseconds())
			for _, x := range failed {
				fmt.Printf("    - %.160q: %.600s\n", x.Name, strings.ReplaceAll(x.Message, "\n", " "))
			}
		}
		if i == len(tests)-1 || tests[i+1].area != t.area {
			print(&one, t.area)
			one = count{}
		}
	}
	print(&all, "all")
	if expected == nil {
		return 0
	}
	wrong := expected.compare(tests)
	for _, w := range wrong {
		fmt.Println("wpt:", w)
	}
	if len(wrong) > 0 {
		return 1
	}
	fmt.Printf("wpt: %d files, %d subtests, %d failures, all of them expected\n", all.files, all.total, all.total-all.passed)
	return 0
}

type count struct{ files, passed, total, skipped int }

func (c *count) add(t *test, failed int) {
	c.files++
	c.total += len(t.results)
	c.passed += len(t.results) - failed
	c.skipped += t.skipped
}

// notApplicable tells whether a failed test asks for what is not here on purpose: a document, XMLHttpRequest, shared memory,
// message channels, a server that answers, or the browser's list of request headers that a page must not set.
func notApplicable(file string, x result) bool {
	for _, s := range []string{"document is not defined", "XMLHttpRequest is not defined", "sabConstructor is not a constructor", "SharedArrayBuffer is not defined", "WebAssembly is not defined", "MessageChannel is not defined"} {
		if strings.Contains(x.Message, s) {
			return true
		}
	}
	switch {
	case strings.HasPrefix(x.Name, "fetch() with"), strings.HasPrefix(x.Name, "XMLHttpRequest with"):
		return true
	case strings.Contains(file, "request-headers"):
		return strings.Contains(x.Name, "request header") || strings.Contains(x.Name, "filtering headers")
	case strings.HasSuffix(x.Name, "(Blob/File)"): // the File API keeps a type as it is, but for its case
		return true
	case strings.HasSuffix(file, "historical.any.js"):
		return true
	}
	return false
}

type runner struct {
	root    string
	harness string
	timeout time.Duration
	log     bool
	idle    chan *isolate.Runtime // each is used by one file at a time
}

// files lists an area's test files, in order, that filters let through.
func (r *runner) files(a area, filters []string) []string {
	var out []string
	for _, g := range a.globs {
		names, err := fs.Glob(os.DirFS(r.root), g)
		if err != nil {
			continue
		}
	next:
		for _, n := range names {
			for part := range a.skip {
				if strings.Contains(n, part) {
					continue next
				}
			}
			if slices.Contains(out, n) {
				continue
			}
			if len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return f == a.name || strings.Contains(n, f) && strings.Contains(f, "/") }) {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (r *runner) meta(file, key string) []string {
	src, err := os.ReadFile(filepath.Join(r.root, file))
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(src)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "// META: "+key+"="); ok {
			out = append(out, rest)
		}
	}
	return out
}

func (r *runner) variants(file string) []string {
	if v := r.meta(file, "variant"); len(v) > 0 {
		return v
	}
	return []string{""}
}

// metaLines are the comments before a file's code.
var metaLines = regexp.MustCompile(`(?m)^//.*$`)

const origin = "https://web-platform.test"

const prelude = `
const GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false };
self.GLOBAL = GLOBAL;
{
  const u = new URL(LOCATION);
  self.location = { href: u.href, origin: u.origin, protocol: u.protocol, host: u.host, hostname: u.hostname, port: u.port, pathname: u.pathname, search: u.search, hash: u.hash, toString() { return u.href; } };
  self.FileReader = class extends EventTarget {
    #read(p) { p.then((v) => { this.result = v; this.readyState = 2; const e = new Event("load"); this.onload?.(e); this.dispatchEvent(e); const d = new Event("loadend"); this.onloadend?.(d); this.dispatchEvent(d); }); }
    readAsText(b) { this.#read(b.text()); }
    readAsArrayBuffer(b) { this.#read(b.arrayBuffer()); }
    readAsDataURL(b) { this.#read(b.bytes().then((x) => "data:" + b.type + ";base64," + btoa(String.fromCharCode(...x)))); }
  };
  self.gc ??= () => {};
  self.close = () => {};
}
`

const reporter = `
setup({ explicit_timeout: true, output: false });
add_result_callback((t) => { console.log("RESULT " + JSON.stringify({ name: t.name.slice(0, 300), status: t.status, message: String(t.message ?? "").slice(0, 1000) })); });
add_completion_callback((tests, status) => { finish(status.status === 0 || status.status === undefined ? null : "harness: " + status.message); });
`

func (r *runner) runFile(rt *isolate.Runtime, file, variant string) (results []result, failure string) {
	var scripts strings.Builder
	for _, s := range r.meta(file, "script") {
		p := path.Join(path.Dir(file), s)
		if strings.HasPrefix(s, "/") {
			p = s[1:]
		}
		src, err := os.ReadFile(filepath.Join(r.root, p))
		if err != nil {
			return nil, "META script: " + err.Error()
		}
		scripts.Write(src)
		scripts.WriteString("\n;\n")
	}
	src, err := os.ReadFile(filepath.Join(r.root, file))
	if err != nil {
		return nil, err.Error()
	}
	text := string(src)
	if strings.HasPrefix(strings.TrimSpace(metaLines.ReplaceAllString(text, "")), "'use strict'") || strings.HasPrefix(strings.TrimSpace(metaLines.ReplaceAllString(text, "")), `"use strict"`) {
		text = "(function () {'use strict';" + text + "\n})();"
	}
	if strings.HasSuffix(file, "structured-clone-battery-of-tests.js") {
		// The battery has no runner of its own in a worker.
		for _, part := range []string{"-with-transferables", "-harness"} {
			b, err := os.ReadFile(filepath.Join(r.root, strings.TrimSuffix(file, ".js")+part+".js"))
			if err != nil {
				return nil, err.Error()
			}
			text += "\n;\n" + string(b)
		}
		text += "\nrunStructuredCloneBatteryOfTests({ hasDocument: false, structuredClone: (v, transfer) => new Promise((r) => r(structuredClone(v, { transfer }))) });"
	}
	location := origin + "/" + strings.TrimSuffix(file, ".js") + ".html" + variant
	quoted, _ := json.Marshal(location)
	source := "(function(module,exports,require){module.exports = { default: { run() { return new Promise((finish) => { let module, exports, require, define; const LOCATION = " + string(quoted) + ";" + prelude +
		"(function () {" + r.harness + "\n}).call(globalThis);\n" + reporter + scripts.String() + text + "\n}); } } };\n})"
	source = strings.ReplaceAll(source, "\x00", "")

	h := &host{runner: r, file: file}
	iso, err := rt.New(512<<20, h)
	if err != nil {
		return nil, err.Error()
	}
	defer iso.Close()
	h.iso = iso
	static, _ := json.Marshal(map[string]any{"scriptType": "oneoff", "limits": map[string]any{}, "baseURL": location})
	f, err := iso.Load(&isolate.Script{Name: "test", Source: source, Static: string(static), TenantID: "t", TenantSlug: "t"})
	if err != nil {
		return nil, "load: " + err.Error()
	}
	if f != nil {
		return nil, "load: " + f.Message
	}
	began := time.Now()
	kill := time.AfterFunc(r.timeout, iso.Terminate)
	defer kill.Stop()
	err = iso.Begin(&isolate.Start{Handler: 4, WallMillis: int32(r.timeout.Milliseconds()), OutputLimit: 1 << 20, Context: `{"executionId":"e","trigger":"api","attempt":1}`, Body: []byte("null"), HasBody: true, BodyIsText: true})
	for err == nil && !iso.Done() {
		if len(h.replies) > 0 {
			reply := h.replies[0]
			h.replies = h.replies[1:]
			err = reply()
			continue
		}
		if iso.Idle() {
			err = iso.Unsettled()
			continue
		}
		_, due := iso.Waiting()
		wait := time.Duration(due*float64(time.Millisecond)) - time.Since(began)
		if time.Since(began)+max(wait, 0) > r.timeout {
			return h.results, "timeout"
		}
		time.Sleep(max(wait, 0))
		err = iso.Tick()
	}
	if err != nil {
		return h.results, err.Error()
	}
	var o isolate.Outcome
	if err := iso.Take(&o); err != nil {
		return h.results, err.Error()
	}
	if o.Failure != nil {
		return h.results, fmt.Sprintf("%s: %s %s", o.Failure.Code, o.Failure.Message, o.Failure.Stack)
	}
	if o.Text != "null" {
		return h.results, o.Text
	}
	return h.results, ""
}

// host serves a test's calls: fetch reads the copy's files.
type host struct {
	runner  *runner
	iso     *isolate.Isolate
	file    string
	results []result
	replies []func() error
}

func (h *host) HostCall(call uint32, method, args string, _ []byte, _ bool) error {
	var a struct{ URL string }
	if err := json.Unmarshal([]byte(args), &a); err != nil {
		return err
	}
	reply := func() error {
		return h.iso.Reply(call, false, `{"name":"TypeError","message":"fetch failed"}`, nil, false)
	}
	if u, err := url.Parse(a.URL); err == nil && method == "fetch" && strings.HasPrefix(a.URL, origin) {
		p := strings.TrimPrefix(path.Clean(u.Path), "/")
		if b, err := os.ReadFile(filepath.Join(h.runner.root, p)); err == nil {
			kind := cmp.Or(map[string]string{".json": "application/json", ".txt": "text/plain", ".html": "text/html"}[path.Ext(p)], "application/octet-stream")
			reply = func() error {
				head, _ := json.Marshal(map[string]any{"status": 200, "statusText": "OK", "headers": [][2]string{{"content-type", kind}}, "url": a.URL, "redirected": false, "hasBody": true})
				return h.iso.Reply(call, true, string(head), b, false)
			}
		}
	}
	h.replies = append(h.replies, reply)
	return nil
}

func (h *host) Entered()                            {}
func (h *host) HostCancel(uint32)                   {}
func (h *host) Upload(uint32, []byte, bool, string) {}
func (h *host) Credit(uint32, uint32)               {}
func (h *host) Head(uint32, string)                 {}
func (h *host) Chunk([]byte)                        {}
func (h *host) Last(string)                         {}
func (h *host) Answer(*isolate.Outcome)             {}
func (h *host) Used() (time.Duration, uint64)       { return 0, 0 }
func (h *host) Log(_ int, text string) bool {
	if rest, ok := strings.CutPrefix(text, "RESULT "); ok {
		var x result
		if err := json.Unmarshal([]byte(rest), &x); err != nil {
			x = result{Name: "unreadable", Status: 1, Message: rest}
		}
		h.results = append(h.results, x)
	} else if h.runner.log {
		fmt.Println("    |", text)
	}
	return true
}
