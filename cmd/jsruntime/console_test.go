//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/browsertest"
	"example.com/jsruntime/migrations/dbtest"
)

// The console in a real browser, against a real node.

// visitor is a person with the console open.
type visitor struct {
	*browsertest.Visitor
	t    *testing.T
	base string
}

func visit(t *testing.T, b *browsertest.Browser, n *process) *visitor {
	t.Helper()
	return &visitor{Visitor: b.Visitor(t), t: t, base: n.base}
}

// until waits for an expression of the page to be true.
func (v *visitor) until(expression string) {
	v.t.Helper()
	require.Eventually(v.t, func() bool { return browsertest.Eval[bool](v.Visitor, "Boolean("+expression+")") }, time.Minute, 20*time.Millisecond,
		"%s\nthe page: %s", expression, lazily(func() string { return v.text() }))
}

type lazily func() string

func (l lazily) String() string { return l() }

func (v *visitor) text() string {
	return browsertest.Eval[string](v.Visitor, "document.body.innerText")
}

// ready waits until a view is shown.
func (v *visitor) ready() {
	v.t.Helper()
	v.until(`document.querySelector(".frame main :is(h1, .notice.bad, .empty)") && !document.querySelector(".loading")`)
}

// open shows a page of the console, anew.
func (v *visitor) open(path string) {
	v.t.Helper()
	v.Go("about:blank")
	v.Go(v.base + "/console/" + path)
}

// button is the expression of the button or link of that name: in the dialog that is open, else in the page.
func button(name string) string {
	return fmt.Sprintf(`[...([...document.querySelectorAll("dialog[open]")].at(-1) ?? document).querySelectorAll("button, a, [role=tab]")].find((b) => b.textContent === %q)`, name)
}

// press presses the button of that name.
func (v *visitor) press(name string) {
	v.t.Helper()
	v.until(button(name))
	v.must(`(%s.click(), true)`, button(name))
}

// must evaluates an expression that has to be true.
func (v *visitor) must(format string, values ...any) {
	v.t.Helper()
	require.True(v.t, browsertest.Eval[bool](v.Visitor, fmt.Sprintf(format, values...)), format)
}

// write puts a text into a field, as typing does.
func (v *visitor) write(selector, text string) {
	v.t.Helper()
	v.until(fmt.Sprintf(`document.querySelector(%q)`, selector))
	v.must(`(() => { const f = document.querySelector(%q); f.value = %q; return f.dispatchEvent(new Event("input", { bubbles: true })); })()`, selector, text)
}

func (v *visitor) has(name string) bool {
	return browsertest.Eval[bool](v.Visitor, "Boolean("+button(name)+")")
}

// signIn signs in as a person does: the key is typed.
func (v *visitor) signIn(key string) {
	v.t.Helper()
	v.open("")
	v.until(`document.querySelector("form input[type=password]")`)
	v.Do(chromedp.SendKeys("form input", key+kb.Enter))
}

// everywhere is all text that the page and its storage hold, cookies that scripts can read and the address included.
const everywhere = `[document.documentElement.outerHTML, ...[...document.querySelectorAll("input, textarea")].map((f) => f.value), JSON.stringify(localStorage),
	JSON.stringify(sessionStorage), document.cookie, location.href, window.name, JSON.stringify(history.state)].join("\n")`

func TestConsoleSignIn(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "my-script", "type": "oneoff", "source": "export default { run() {} }"})

	// By key. A wrong one first.
	v := visit(t, browser, n)
	v.signIn("jsr_wrong")
	v.until(`document.querySelector(".signin .notice")?.textContent.includes("This key is not valid.")`)
	v.signIn(key)
	v.ready()
	v.open("scripts")
	v.ready()
	require.Contains(t, v.text(), "my-script")
	require.NotContains(t, browsertest.Eval[string](v.Visitor, everywhere), key)
	require.Equal(t, "null", browsertest.Eval[string](v.Visitor, "String(window.opener)"))
	// Another tab of the browser is signed in, and so is the page after it is loaded anew.
	v.open("executions")
	v.ready()
	require.Contains(t, v.text(), "Executions")

	// By a link, which is out of the address bar and the history at once, and good for one session.
	link := n.must(201, "POST", "/api/v1/session-links", key, nil)["url"].(string)
	other := visit(t, browser, n)
	other.Go(link)
	other.ready()
	require.Contains(t, other.text(), "acme")
	secret := strings.SplitN(link, "=", 2)[1]
	require.NotContains(t, browsertest.Eval[string](other.Visitor, everywhere), secret)
	require.False(t, browsertest.Eval[bool](other.Visitor, "navigation.entries().some((e) => e.url.includes('jsl_'))"))
	third := visit(t, browser, n)
	third.Go(link)
	third.until(`document.querySelector(".signin .notice")?.textContent.startsWith("This link is not valid")`)

	// A link does not take the place of a session unasked.
	link = n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string)
	other.Go(link)
	other.until(`document.body.innerText.includes("You are signed in to acme as admin.")`)
	other.press("Stay signed in")
	other.ready()
	other.Go("about:blank")
	other.Go(link)
	other.until(`document.body.innerText.includes("You are signed in to acme as admin.")`)
	other.press("Use the link")
	other.until(`document.body.innerText.includes("superadmin")`)
	// The operator chooses a tenant.
	other.open("tenants")
	other.press("Enter")
	other.until(`document.querySelector(".tenant-name")?.textContent === "acme"`)
	other.open("scripts")
	other.ready()
	require.Contains(t, other.text(), "my-script")
	link = n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string)
	operator := visit(t, browser, n)
	operator.Go(link + "&tenant=acme")
	operator.until(`document.querySelector(".tenant-name")?.textContent === "acme"`)
	// The tenant's audit log says that it was entered, once for each entering: a page that is opened or loaded anew is none.
	operator.open("scripts")
	operator.ready()
	require.Len(t, n.must(200, "GET", "/api/v1/audit-log?action=tenant.enter", key, nil)["items"], 2)

	// Out, here and everywhere.
	third.signIn(key)
	third.ready()
	third.press("Sign out")
	third.until(`document.querySelector(".signin")`)
	third.open("scripts")
	third.until(`document.querySelector(".signin")`)
	third.signIn(key)
	third.ready()
	third.press("Everywhere")
	third.press("Cancel")
	third.ready()
	third.press("Everywhere")
	third.press("End all")
	third.until(`document.querySelector(".signin")`)
	// The other tab hears of it when it asks again, as its live list does.
	v.until(`document.querySelector(".signin .notice")?.textContent === "Your session has ended."`)
	operator.open("scripts")
	operator.ready()
}

// hostileAddresses are spellings of addresses that lead somewhere else when they are put into a path as they are.
func hostileAddresses() []string {
	var all []string
	for _, id := range []string{
		`..\..\..\t\evil\steal`, `../../../t/evil/steal`, `..%2f..%2f..%2ft%2fevil%2fsteal`, `..%5c..%5c..%5ct%5cevil%5csteal`, `%2e%2e/%2e%2e/%2e%2e/t/evil/steal`,
		`%2e%2e%2f%2e%2e%2f%2e%2e%2ft%2fevil%2fsteal`, `.%2e\.%2e\.%2e\t\evil\steal`, `..%09/..%09/..%09/t/evil/steal`, "..\t\\..\t\\..\t\\t\\evil\\steal", `\t\evil\steal`,
		`\\evil.localhost\steal`, `//evil.localhost/steal`, `@evil.localhost/steal`, `?x=/../../t/evil/steal`, `x?/../../../t/evil/steal`, `%3f/../../../t/evil/steal`,
		`#/../../../t/evil/steal`, `%00/../../../t/evil/steal`, `;/../../../t/evil/steal`, `00000000-0000-7000-8000-000000000000/../../../../t/evil/steal`,
		`00000000-0000-7000-8000-000000000000\..\..\..\..\t\evil\steal`, `00000000-0000-7000-8000-000000000000%2f..%2f..%2f..%2f..%2ft%2fevil%2fsteal`,
		`．．/．．/．．/t/evil/steal`, `..／..／..／t／evil／steal`, `..∕..∕..∕t∕evil∕steal`, `http://evil.localhost/steal`, `javascript:fetch('/t/evil/steal')`,
		`%252e%252e%255c%252e%252e%255c%252e%252e%255ct%255cevil%255csteal`, `__proto__`, `constructor`, `new/../../../../t/evil/steal`, `<img src=/t/evil/steal>`,
	} {
		all = append(all, "scripts/"+url.PathEscape(id), "executions/"+url.PathEscape(id), "#script/"+id)
		if !strings.ContainsAny(id, "/\\:?#\t%") {
			all = append(all, "scripts/"+id)
		}
	}
	return append(all, `constructor`, `__proto__`, `toString/x`, `hasOwnProperty`, `#..\..\t\evil\steal`, `scripts?search=/../../t/evil/steal`,
		`executions?script_id=..\..\..\t\evil\steal`, `logs?script_id=../../../t/evil/steal`, `scripts?cursor=../../../t/evil/steal&limit=x`,
		`#link=../../../t/evil/steal`, `#tenant=../../t/evil/steal`)
}

// Any site can set the address bar: a page elsewhere may open the console with any fragment.
func TestConsoleAsksTheAPIAndNothingElse(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	n.tenant("acme")
	evil := n.tenant("evil")
	n.endpoint(evil, "/steal", `export default { fetch(r) { return Response.json([...r.headers]); } }`, nil)
	n.live("/t/evil/steal")
	v := visit(t, browser, n)
	v.Go(n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string) + "&tenant=acme")
	v.ready()
	for _, address := range hostileAddresses() {
		v.open(address)
		if !browsertest.Eval[bool](v.Visitor, `Boolean(document.getElementById("app"))`) {
			continue // the server says that there is no such page
		}
		v.until(`document.querySelector("main :is(h1, .notice, .empty), .signin")`)
		for _, name := range browsertest.Eval[[]string](v.Visitor, `performance.getEntriesByType("resource").map((e) => e.name)`) {
			path := strings.TrimPrefix(name, n.base)
			require.True(t, strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, "/api/v1/"), "%s leads to %s", address, name)
			require.NotContains(t, strings.SplitN(path, "?", 2)[0], "steal", address)
		}
		if v.has("Stay signed in") {
			v.press("Stay signed in")
		}
	}
	require.Len(t, n.must(200, "GET", "/api/v1/executions?trigger_type=http", evil, nil)["items"], 1, "this test's own")
}

// What tenants wrote is shown as text: names, log lines, errors.
func TestConsoleShowsTextAsText(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	payloads := []string{
		`<img src=x onerror="window.ran=1">`, `"><script>window.ran=1</script>`, `<svg onload=window.ran=1>`, `</textarea><iframe srcdoc="<script>parent.ran=1</script>">`,
		`javascript:window.ran=1`, `{{constructor.constructor('window.ran=1')()}}`, `<a href="javascript:window.ran=1" autofocus onfocus="window.ran=1">x</a>`,
	}
	all := strings.Join(payloads, " ")
	source := fmt.Sprintf(`const text = %q;
export default { async run(input) { console.log(text); console.error(text, { [text]: text }); const e = new Error(text); e.stack = text; if (input !== "fine") throw e; return { [text]: text }; },
  async event() { throw new Error(text); } }`, all)
	var ids []string
	for _, p := range payloads {
		ids = append(ids, n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
			"name": p, "description": p, "tags": []string{p}, "type": "oneoff", "source": source, "status": "active", "change_description": p, "metadata": map[string]any{p: p},
		})["id"].(string))
		n.must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": p, "role": "viewer"})
	}
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "listener", "type": "event", "source": source, "status": "active", "event_types": []string{"a.b"}, "retry": map[string]any{"max_attempts": 1},
	})
	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "a.b", "data": map[string]any{all: all}})
	var executions []string
	for _, input := range []string{"fine", all} {
		executions = append(executions, n.must(200, "POST", "/api/v1/scripts/"+ids[0]+"/executions?wait=true", key, map[string]any{"input": input})["id"].(string))
	}
	require.Eventually(t, func() bool {
		return len(n.must(200, "GET", "/api/v1/dead-letters", key, nil)["items"].([]any)) == 1
	}, time.Minute, 50*time.Millisecond)

	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	for _, path := range []string{
		"", "scripts", "scripts?search=%3Cimg%20src%3Dx%20onerror%3D%22window.ran%3D1%22%3E", "executions", "dead-letters", "keys", "endpoints", "events", "schedules",
		"scripts/" + ids[0], "scripts/" + ids[3], "executions/" + executions[0], "executions/" + executions[1], "logs",
	} {
		v.open(path)
		v.ready()
		v.until(`!document.querySelector("main > .notice.bad")`)
		require.Zero(t, browsertest.Eval[int](v.Visitor, `[...document.querySelectorAll("script, iframe, main img, main a[href^=javascript], main [onerror], main [onload]")].filter((e) => !e.src?.includes("/console/assets/main-")).length`), path)
		require.False(t, browsertest.Eval[bool](v.Visitor, `"ran" in window`), path)
	}
	v.open("executions/" + executions[1])
	v.until(fmt.Sprintf("document.body.textContent.includes(%q)", payloads[0]))
	v.open("scripts/" + ids[1] + "?tab=run")
	v.ready()
	v.press("Run now")
	v.until(`document.body.innerText.includes("Open the run")`)
	require.False(t, browsertest.Eval[bool](v.Visitor, `"ran" in window`))
	// Not even code in the page finds a place where a text becomes markup, script, or the address of a script.
	for _, sink := range []string{
		`document.body.innerHTML = "<b>x</b>"`, `document.body.insertAdjacentHTML("beforeend", "<b>x</b>")`, `document.write("x")`, `document.createElement("script").src = "/t/evil/x.js"`,
		`document.createElement("script").text = "1"`, `document.createElement("iframe").srcdoc = "x"`, `new DOMParser().parseFromString("<b>x</b>", "text/html")`, `new Worker("/t/evil/x.js")`,
		`trustedTypes.createPolicy("mine", { createHTML: (s) => s })`,
		`trustedTypes.createPolicy("jsruntime-worker", { createHTML: (s) => s })`, `navigator.serviceWorker.register("/t/evil/x.js")`,
	} {
		require.True(t, browsertest.Eval[bool](v.Visitor, `(async () => { try { await (`+sink+`); return false; } catch { return true; } })()`), sink)
	}
}

// The page shows the buttons that the role may use. It asks before an act that cannot be undone, and before it overwrites another person's change.
func TestConsoleAsksBeforeHarm(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	script := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "job", "type": "oneoff", "status": "active", "source": "export default { run() { return 1 } }"})["id"].(string)
	source := func() string { return n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)["source"].(string) }
	change := func(source string) {
		n.must(200, "PATCH", "/api/v1/scripts/"+script, key, map[string]any{"source": source})
	}
	viewer := n.must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": "viewer", "role": "viewer"})["key"].(string)
	execution := n.must(200, "POST", "/api/v1/scripts/"+script+"/executions?wait=true", key, map[string]any{})["id"].(string)

	guest := visit(t, browser, n)
	guest.signIn(viewer)
	guest.ready()
	for path, buttons := range map[string][]string{
		"scripts": {"New script"}, "scripts/" + script: {"Save", "Save as version…", "Pause", "Disable", "Archive", "Delete", "Run", "+ File"},
		"scripts/" + script + "?tab=versions": {"Restore", "Activate…", "Compare on last inputs…"}, "scripts/" + script + "?tab=settings": {"Save settings"}, "executions/" + execution: {"Replay", "Cancel"},
		"events": {"Publish"}, "dead-letters": {"Send many again"},
	} {
		guest.open(path)
		guest.ready()
		for _, name := range buttons {
			require.False(t, guest.has(name), "%s %s", path, name)
		}
		require.NotContains(t, guest.text(), "API keys")
	}

	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("scripts")
	v.press("job")
	v.until(`document.querySelector("main h1")?.textContent === "job"`)
	mine, theirs := "export default { run() { return 'mine' } }", "export default { run() { return 'theirs' } }"
	v.shows("return 1")
	change(theirs)
	v.edit(mine)
	v.press("Save")
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("Changed by")`)
	require.Equal(t, theirs, source())
	v.press("Keep editing")
	require.Equal(t, mine, v.code())
	v.press("Save")
	v.until(button("Overwrite"))
	require.Equal(t, theirs, source())
	v.press("Overwrite")
	require.Eventually(t, func() bool { return source() == mine }, time.Minute, 20*time.Millisecond)
	v.until(`document.querySelector(".page-head")?.innerText.includes("version 3")`)

	// A text that is not saved is not lost by a step to another page.
	v.edit(theirs)
	v.press("Executions")
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("Leave without saving?")`)
	v.press("Cancel")
	require.Equal(t, theirs, v.code())
	require.Equal(t, "/console/scripts/"+script, browsertest.Eval[string](v.Visitor, `location.pathname`))
	v.must(`(history.back(), true)`)
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("Leave without saving?")`)
	v.press("Cancel")
	require.Equal(t, theirs, v.code())
	v.edit(mine)

	v.press("Versions (3)")
	v.until(`document.querySelectorAll(".versions-list li button").length === 3`)
	v.must(`(document.querySelectorAll(".versions-list li button")[2].click(), true)`)
	v.press("Restore")
	v.press("Cancel")
	require.Equal(t, mine, source())
}

// With --console-listen each listener serves its part alone, and the link that is printed leads to the console.
func TestConsoleListen(t *testing.T) {
	t.Parallel()
	console := freeAddress(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--console-listen", console, "--demo"}})
	operator := &process{t: t, base: "http://" + console}
	port := strings.TrimPrefix(n.base, "http://127.0.0.1:")
	get := func(url, host string) int {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		require.NoError(t, err)
		if host != "" {
			req.Host = host
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	require.Eventually(t, func() bool { return strings.Contains(n.out.String(), "#link=") }, time.Minute, 20*time.Millisecond)
	for _, c := range []struct {
		path           string
		tenants, there int
	}{
		{"/t/demo/hello/x", 200, 404}, {"/healthz", 200, 200}, {"/readyz", 200, 200}, {"/", 404, 302}, {"/console/", 404, 200}, {"/console", 404, 301}, {"/docs", 404, 200},
		{"/openapi.json", 404, 200}, {"/metrics", 404, 200}, {"/api/v1/whoami", 404, 401}, {"/api/v1/session", 404, 401}, {"/jsruntime.d.ts", 404, 200}, {"/nothing", 404, 404},
	} {
		require.Equal(t, c.tenants, get(n.base+c.path, ""), c.path)
		require.Equal(t, c.there, get(operator.base+c.path, ""), c.path)
	}
	require.Equal(t, 200, get(n.base+"/hello/x", "demo.localhost:"+port))
	require.Equal(t, 404, get(operator.base+"/hello/x", "demo.localhost"))
	require.Equal(t, 404, get(operator.base+"/console/", "demo.localhost"))
	require.Equal(t, 421, get(operator.base+"/console/", "rebound.example"))

	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/console/#link=(jsl_\w+)&tenant=demo\n`).FindStringSubmatch(n.out.String())
	require.NotNil(t, link, n.out.String())
	require.True(t, strings.HasPrefix(link[0], operator.base+"/console/#"), link[0])
	operator.must(204, "POST", "/api/v1/session", "", map[string]any{"link": link[1]})
	operator.must(401, "POST", "/api/v1/session", "", map[string]any{"link": link[1]})

	// Where others read the output, there is no link in it.
	n = start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--no-console-link"}})
	require.Eventually(t, func() bool { return strings.Contains(n.out.String(), n.base+"/console/\n") }, time.Minute, 20*time.Millisecond)
	require.NotContains(t, n.out.String(), "link=")
	require.Equal(t, 302, get(n.base+"/", ""))
	require.Equal(t, 404, get(n.base+"/", "demo.localhost"), "a tenant's host is the tenant's")
}

// attackPage is a tenant's document. Each attack is tried against the origin of the console and returns what it has read of it.
const attackPage = `<!doctype html><title>evil</title><body><script>
const wait = (ms) => new Promise((r) => setTimeout(r, ms));
const json = (o) => JSON.stringify(o);
const change = { slug: "stolen", name: "stolen" };
const frame = async (attributes) => {
  const f = document.createElement("iframe");
  Object.assign(f, attributes);
  const loaded = new Promise((r) => { f.onload = r; f.onerror = r; });
  document.body.append(f);
  await Promise.race([loaded, wait(500)]);
  await wait(50);
  return f;
};
const look = (w) => { let seen = ""; for (const f of [(w) => w.document.documentElement.outerHTML, (w) => w.location.href, (w) => w.name, (w) => json(w.sessionStorage), (w) => w.eval("document.cookie")]) { try { seen += f(w); } catch {} } return seen; };
const form = async (method, action, enctype, fields, target) => {
  const f = document.createElement("form");
  Object.assign(f, { method, action, enctype, target: target ?? "" });
  for (const [name, value] of Object.entries(fields)) { const i = document.createElement("input"); i.type = "hidden"; i.name = name; i.value = value; f.append(i); }
  document.body.append(f);
  f.submit();
  await wait(300);
};
const read = async (url, init) => { const r = await fetch(url, init); return r.type + (await r.text()); };
const attacks = {
  get: (c) => read(c + "/api/v1/export", { credentials: "include" }),
  getTenant: (c) => read(c + "/api/v1/scripts", { credentials: "include", headers: { "X-Tenant": "victim" } }),
  session: (c) => read(c + "/api/v1/session", { credentials: "include" }),
  opaque: (c) => read(c + "/api/v1/tenants", { credentials: "include", mode: "no-cors" }),
  sameOrigin: (c) => read(c + "/api/v1/tenants", { credentials: "include", mode: "same-origin" }),
  navigateMode: (c) => read(c + "/api/v1/tenants", { credentials: "include", cache: "force-cache", redirect: "follow", referrer: "" }),
  post: (c) => read(c + "/api/v1/tenants", { method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: json(change) }),
  postPlain: (c) => read(c + "/api/v1/tenants", { method: "POST", credentials: "include", mode: "no-cors", body: json(change) }),
  postBlob: (c) => read(c + "/api/v1/tenants", { method: "POST", credentials: "include", mode: "no-cors", body: new Blob([json(change)], { type: "text/plain" }) }),
  remove: (c) => read(c + "/api/v1/tenants/victim", { method: "DELETE", credentials: "include" }),
  signOut: (c) => read(c + "/api/v1/session?all=true", { method: "DELETE", credentials: "include", mode: "cors" }),
  keepalive: async (c) => { fetch(c + "/api/v1/tenants", { method: "POST", credentials: "include", mode: "no-cors", keepalive: true, body: json(change) }).catch(() => {}); await wait(200); return ""; },
  beacon: async (c) => { navigator.sendBeacon(c + "/api/v1/tenants", new Blob([json(change)], { type: "text/plain" })); await wait(200); return ""; },
  xhr: (c) => new Promise((r) => { const x = new XMLHttpRequest(); x.open("GET", c + "/api/v1/tenants"); x.withCredentials = true; x.onloadend = () => r(x.responseText); x.send(); }),
  events: (c) => new Promise((r) => { const e = new EventSource(c + "/api/v1/logs/tail", { withCredentials: true }); e.onopen = () => r("open " + e.url + " canary"); e.onerror = () => r(""); setTimeout(() => r(""), 1000); }),
  socket: (c) => new Promise((r) => { const s = new WebSocket(c.replace("http", "ws") + "/api/v1/logs/tail"); s.onopen = () => r("canary"); s.onclose = s.onerror = () => r(""); }),
  frameConsole: async (c) => look((await frame({ src: c + "/console/#scripts" })).contentWindow),
  frameAPI: async (c) => look((await frame({ src: c + "/api/v1/tenants" })).contentWindow),
  frameDocs: async (c) => look((await frame({ src: c + "/docs" })).contentWindow),
  frameSandboxed: async (c) => look((await frame({ src: c + "/console/", sandbox: "allow-scripts allow-same-origin allow-forms" })).contentWindow),
  frameSrcdoc: async (c) => { const f = await frame({ srcdoc: "<script>fetch('" + c + "/api/v1/tenants',{credentials:'include'}).then(r=>r.text()).then(t=>parent.postMessage(t,'*'))<\/script>" }); return new Promise((r) => { onmessage = (e) => r(String(e.data)); setTimeout(() => r(look(f.contentWindow)), 500); }); },
  frameBlob: async (c) => { const f = await frame({ src: URL.createObjectURL(new Blob(["<script>fetch('" + c + "/api/v1/tenants',{credentials:'include'}).then(r=>r.text()).then(t=>parent.postMessage(t,'*'))<\/script>"], { type: "text/html" })) }); return new Promise((r) => { onmessage = (e) => r(String(e.data)); setTimeout(() => r(look(f.contentWindow)), 500); }); },
  object: async (c) => { const o = document.createElement("object"); o.data = c + "/api/v1/tenants"; o.type = "text/html"; document.body.append(o); await wait(300); return o.contentWindow ? look(o.contentWindow) : ""; },
  script: (c) => new Promise((r) => { const s = document.createElement("script"); s.src = c + "/api/v1/tenants"; s.onload = () => r("canary"); s.onerror = () => r(""); document.body.append(s); }),
  style: (c) => new Promise((r) => { const s = document.createElement("link"); s.rel = "stylesheet"; s.href = c + "/api/v1/tenants"; s.onload = () => r(s.sheet?.cssRules?.[0]?.cssText ?? ""); s.onerror = () => r(""); document.head.append(s); }),
  module: async (c) => json(await import(c + "/console/api.js")),
  image: (c) => new Promise((r) => { const i = new Image(); i.src = c + "/console/icon.svg"; i.onload = () => r("canary"); i.onerror = () => r(""); }),
  popup: async (c) => { const w = open(c + "/console/#scripts", "console"); await wait(700); if (!w) return ""; w.postMessage({ link: "x" }, "*"); const seen = look(w); w.close(); return seen; },
  popupAPI: async (c) => { const w = open(c + "/api/v1/tenants"); await wait(500); if (!w) return ""; const seen = look(w); w.close(); return seen; },
  popupBlank: async (c) => { const w = open("about:blank"); if (!w) return ""; try { w.document.write("<script>fetch('" + c + "/api/v1/tenants',{credentials:'include'}).then(r=>r.text()).then(t=>document.title=t)<\/script>"); } catch {} await wait(400); const seen = look(w); w.close(); return seen; },
  opener: async () => opener ? look(opener) : "",
  parents: async () => top !== self ? look(top) : "",
  cookies: async () => { document.cookie = "jsr_session=jss_planted; path=/"; document.cookie = "jsr_session=jss_planted; path=/api"; document.cookie = "jsr_session=jss_planted; path=/; domain=localhost"; document.cookie = "jsr_session=jss_planted; path=/; domain=127.0.0.1"; return document.cookie.replaceAll("jss_planted", ""); },
  storage: async () => json({ ...sessionStorage }) + json({ ...localStorage }),
  worker: async (c) => { const u = URL.createObjectURL(new Blob(["fetch('" + c + "/api/v1/tenants',{credentials:'include'}).then(r=>r.text()).then(postMessage)"])); const w = new Worker(u); return new Promise((r) => { w.onmessage = (e) => r(e.data); w.onerror = () => r(""); setTimeout(() => r(""), 600); }); },
  serviceWorker: async () => json(await navigator.serviceWorker.register("/t/evil/sw.js", { scope: "/" })) + "canary",
  channel: async () => { const seen = []; new BroadcastChannel("x").onmessage = (e) => seen.push(e.data); await wait(100); return seen.join(); },
  formGet: (c) => form("GET", c + "/api/v1/tenants", "", { limit: "1" }, "f1"),
  formPost: (c) => form("POST", c + "/api/v1/tenants", "text/plain", { ['{"slug":"stolen","name":"']: '"}' }, "f2"),
  formSession: (c) => form("POST", c + "/api/v1/session", "text/plain", { ['{"link":"']: '"}' }),
  formTop: (c) => form("POST", c + "/api/v1/tenants", "text/plain", { ['{"slug":"stolen","name":"']: '"}' }, "_top"),
  formDelete: (c) => form("POST", c + "/api/v1/tenants/victim?_method=DELETE", "application/x-www-form-urlencoded", { _method: "DELETE" }),
  ping: async (c) => { const a = document.createElement("a"); a.href = "#x"; a.ping = c + "/api/v1/tenants"; document.body.append(a); a.click(); await wait(200); return ""; },
  navigate: async (c) => { location.href = c + "/console/scripts/..%5c..%5c..%5ct%5cevil%5csteal"; await wait(600); return ""; },
  navigateTop: async (c) => { top.location = c + "/api/v1/tenants"; await wait(500); return ""; },
  link: async (c) => { const a = document.createElement("a"); a.href = c + "/console/executions/..%2f..%2f..%2ft%2fevil%2fsteal"; a.target = "_top"; document.body.append(a); a.click(); await wait(600); return ""; },
  refresh: async (c) => { const m = document.createElement("meta"); m.httpEquiv = "refresh"; m.content = "0;url=" + c + "/api/v1/session"; document.head.append(m); await wait(600); return ""; },
  history: async () => { history.back(); await wait(300); return ""; },
};
const attack = async (name, c) => { try { return String((await Promise.race([attacks[name](c), wait(5000)])) ?? ""); } catch (e) { return "refused: " + e; } };
</script>`

// A tenant's document, below /t/ and on the tenant's own host, tries to read or change what the operator's session can.
func TestTenantsDocumentsCannotUseTheSession(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	port := strings.TrimPrefix(n.base, "http://127.0.0.1:")
	victim, evil := n.tenant("victim"), n.tenant("evil")
	n.must(201, "POST", "/api/v1/scripts", victim, map[string]any{"name": "canary-script", "type": "oneoff", "source": "export default { run() {} }"})
	n.endpoint(evil, "/page", fmt.Sprintf("export default { fetch() { return new Response(%q, { headers: { 'Content-Type': 'text/html' } }); } }", attackPage), nil)
	steal := n.endpoint(evil, "/steal", `export default { fetch(r) { console.log(JSON.stringify([...r.headers])); return new Response("stolen"); } }`, nil)
	n.live("/t/evil/steal")
	audits := func() int {
		entries := n.must(200, "GET", "/api/v1/audit-log?limit=200", victim, nil)["items"].([]any)
		entered := n.must(200, "GET", "/api/v1/audit-log?limit=200&action=tenant.enter", victim, nil)["items"].([]any)
		return len(entries) - len(entered) // the operator of this test enters the tenant
	}
	names := regexp.MustCompile(`(?m)^  (\w+): (?:async )?\(`).FindAllStringSubmatch(attackPage, -1)
	require.Greater(t, len(names), 40)
	runs := func() int {
		return len(n.must(200, "GET", "/api/v1/executions?script_id="+steal, evil, nil)["items"].([]any))
	}
	before := audits()
	for _, operator := range []string{n.base, "http://localhost:" + port} {
		// A new link each: a session is for one browser and one host.
		v := visit(t, browser, n)
		v.base = operator
		link := n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["link"].(string)
		v.Go(operator + "/console/#link=" + link + "&tenant=victim")
		v.ready()
		v.open("scripts")
		v.ready()
		require.Contains(t, v.text(), "canary-script")
		pages := []string{"http://evil.localhost:" + port + "/page"}
		if operator == n.base {
			pages = append(pages, operator+"/t/evil/page")
		}
		for _, page := range pages {
			for _, name := range names {
				// A navigation that the attack before has begun may come in between.
				require.Eventually(t, func() bool {
					return v.Try(chromedp.Navigate(page)) == nil && browsertest.Eval[bool](v.Visitor, "typeof attack === 'function'")
				}, time.Minute, 20*time.Millisecond, "%s of %s", name[1], page)
				got, err := chromedp.Run(v.Context, chromedp.Evaluate[string](fmt.Sprintf("attack(%q, %q)", name[1], operator), chromedp.EvalAwaitPromise))
				if err == nil { // else the page has left, by navigation
					require.NotContains(t, got, "canary", "%s from %s", name[1], page)
					require.NotContains(t, got, "victim", "%s from %s", name[1], page)
					require.NotContains(t, got, "csrf_token", "%s from %s", name[1], page)
					require.NotContains(t, got, "jss_", "%s from %s", name[1], page)
				}
			}
		}
		// The session is still there, and nothing was changed with it.
		v.open("scripts")
		v.ready()
		require.Contains(t, v.text(), "canary-script")
	}
	require.Equal(t, before, audits())
	status, _ := n.try("GET", "/api/v1/tenants/stolen", testAdminKey, nil)
	require.Equal(t, 404, status)
	// The console was opened with fragments that lead to the tenant's script: it did not run.
	require.Equal(t, 1, runs(), "by this test itself")
}
