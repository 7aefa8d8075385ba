package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"jsruntime/httpapi/browsertest"
	"jsruntime/migrations/dbtest"
)

// The console in a real browser, against a real node.

// visitor is a person with the console open.
type visitor struct {
	*browsertest.Visitor
	t    *testing.T
	base string
}

func visit(t *testing.T, b *browsertest.Browser, n *node) *visitor {
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
func (v *visitor) ready() { v.t.Helper(); v.until(`document.querySelector("main h1, main .error")`) }

// open shows a view of the console, anew.
func (v *visitor) open(fragment string) {
	v.t.Helper()
	v.Go("about:blank")
	v.Go(v.base + "/console/" + fragment)
}

// press presses the button of that name; answer is what a question is answered with.
func (v *visitor) press(name string, answer bool) {
	v.t.Helper()
	found := browsertest.Eval[bool](v.Visitor, fmt.Sprintf(`(() => {
		window.asked = [];
		window.confirm = (question) => { window.asked.push(question); return %v; };
		const button = [...document.querySelectorAll("button")].find((b) => b.textContent === %q);
		button?.click();
		return Boolean(button);
	})()`, answer, name))
	require.True(v.t, found, "no button %q: %s", name, v.text())
}

func (v *visitor) has(button string) bool {
	return browsertest.Eval[bool](v.Visitor, fmt.Sprintf(`[...document.querySelectorAll("button")].some((b) => b.textContent === %q)`, button))
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
	v.until(`document.querySelector(".signin .error")?.textContent === "This key is not valid."`)
	v.signIn(key)
	v.ready()
	require.Contains(t, v.text(), "my-script")
	require.NotContains(t, browsertest.Eval[string](v.Visitor, everywhere), key)
	require.Equal(t, "null", browsertest.Eval[string](v.Visitor, "String(window.opener)"))
	// Another tab of the browser is signed in, and so is the page after it is loaded anew.
	v.open("#executions")
	v.ready()
	require.Contains(t, v.text(), "Executions")

	// By a link, which is out of the address bar and the history at once, and good for one session.
	link := n.must(201, "POST", "/api/v1/session-links", key, nil)["url"].(string)
	other := visit(t, browser, n)
	other.Go(link)
	other.ready()
	require.Contains(t, other.text(), "my-script")
	secret := strings.SplitN(link, "=", 2)[1]
	require.NotContains(t, browsertest.Eval[string](other.Visitor, everywhere), secret)
	require.False(t, browsertest.Eval[bool](other.Visitor, "navigation.entries().some((e) => e.url.includes('jsl_'))"))
	third := visit(t, browser, n)
	third.Go(link)
	third.until(`document.querySelector(".signin .error")?.textContent.startsWith("This link is not valid")`)

	// A link does not take the place of a session unasked.
	link = n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string)
	other.Go(link)
	other.until(`document.body.innerText.includes("You are signed in to acme as admin.")`)
	other.press("Stay signed in", true)
	other.ready()
	other.Go("about:blank")
	other.Go(link)
	other.until(`document.body.innerText.includes("You are signed in to acme as admin.")`)
	other.press("Use the link", true)
	other.until(`document.body.innerText.includes("superadmin")`)
	// The operator chooses a tenant.
	other.until(`document.querySelector("main tr.link")`)
	browsertest.Eval[bool](other.Visitor, `document.querySelector("main tr.link").click() ?? true`)
	other.until(`document.querySelector("main h1")?.textContent === "Scripts"`)
	require.Contains(t, other.text(), "my-script")
	link = n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string)
	operator := visit(t, browser, n)
	operator.Go(link + "&tenant=acme")
	operator.until(`document.querySelector("main h1")?.textContent === "Scripts"`)

	// Out, here and everywhere.
	third.signIn(key)
	third.ready()
	third.press("Sign out", true)
	third.until(`document.querySelector(".signin")`)
	third.open("#scripts")
	third.until(`document.querySelector(".signin")`)
	third.signIn(key)
	third.ready()
	third.press("Sign out everywhere", false)
	third.ready()
	third.press("Sign out everywhere", true)
	third.until(`document.querySelector(".signin")`)
	browsertest.Eval[bool](v.Visitor, `(location.hash = "#schedules") === ""`)
	v.until(`document.querySelector(".signin .error")?.textContent === "Your session has ended."`)
	operator.open("#scripts")
	operator.ready()
}

// hostileFragments are spellings of addresses that lead somewhere else when they are put into a path as they are.
func hostileFragments() []string {
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
		all = append(all, "#script/"+id, "#execution/"+id)
	}
	return append(all, `#constructor`, `#__proto__`, `#toString/x`, `#hasOwnProperty`, `#..\..\t\evil\steal`, `#scripts?search=/../../t/evil/steal`,
		`#executions?script_id=..\..\..\t\evil\steal`, `#logs?script_id=../../../t/evil/steal`, `#scripts?cursor=../../../t/evil/steal&limit=x`,
		`#link=../../../t/evil/steal`, `#tenant=../../t/evil/steal`)
}

// The address bar is anybody's: a page elsewhere may open the console with any fragment.
func TestConsoleAsksTheAPIAndNothingElse(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	n.tenant("acme")
	evil := n.tenant("evil")
	n.endpoint(evil, "/steal", `export default { fetch(r) { return Response.json([...r.headers]); } }`, nil)
	n.live("/t/evil/steal")
	before := len(n.must(200, "GET", "/api/v1/executions?trigger_type=http", evil, nil)["items"].([]any))
	v := visit(t, browser, n)
	v.Go(n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string) + "&tenant=acme")
	v.ready()
	for _, fragment := range hostileFragments() {
		v.open(fragment)
		v.until(`document.querySelector("main h1, main .error, .signin")`)
		for _, name := range browsertest.Eval[[]string](v.Visitor, `performance.getEntriesByType("resource").map((e) => e.name)`) {
			path := strings.TrimPrefix(name, n.base)
			require.True(t, strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, "/api/v1/"), "%s leads to %s", fragment, name)
			require.NotContains(t, strings.SplitN(path, "?", 2)[0], "steal", fragment)
		}
		if v.has("Stay signed in") {
			v.press("Stay signed in", true)
		}
	}
	after := n.must(200, "GET", "/api/v1/executions?trigger_type=http", evil, nil)["items"].([]any)
	require.Len(t, after, before)
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
		"name": "listener", "type": "event", "source": source, "status": "active", "event_types": []string{"a.b"}, "metadata": map[string]any{"retry": map[string]any{"max_attempts": 1}},
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
	for _, fragment := range []string{
		"#scripts", "#scripts?search=%3Cimg%20src%3Dx%20onerror%3D%22window.ran%3D1%22%3E", "#executions", "#dead-letters", "#keys", "#endpoints", "#schedules",
		"#script/" + ids[0], "#script/" + ids[3], "#execution/" + executions[0], "#execution/" + executions[1],
	} {
		v.open(fragment)
		v.ready()
		v.until(`!document.querySelector("main > .error")`)
		require.Zero(t, browsertest.Eval[int](v.Visitor, `[...document.querySelectorAll("script, iframe, main img, main svg, main a[href^=javascript]")].filter((e) => !e.src?.endsWith("/console/console.js")).length`), fragment)
		require.False(t, browsertest.Eval[bool](v.Visitor, `"ran" in window`), fragment)
	}
	require.Contains(t, v.text(), payloads[0])
	v.open("#script/" + ids[1])
	v.ready()
	v.press("Run now", true)
	v.until(`document.body.innerText.includes("details")`)
	require.False(t, browsertest.Eval[bool](v.Visitor, `"ran" in window`))
	// Not even code in the page finds a place where a text becomes markup, script, or the address of a script.
	for _, sink := range []string{
		`document.body.innerHTML = "<b>x</b>"`, `document.body.insertAdjacentHTML("beforeend", "<b>x</b>")`, `document.write("x")`, `document.createElement("script").src = "/t/evil/x.js"`,
		`document.createElement("script").text = "1"`, `document.createElement("iframe").srcdoc = "x"`, `new DOMParser().parseFromString("<b>x</b>", "text/html")`, `new Worker("/t/evil/x.js")`,
		`trustedTypes.createPolicy("mine", { createHTML: (s) => s })`, `navigator.serviceWorker.register("/t/evil/x.js")`,
	} {
		require.True(t, browsertest.Eval[bool](v.Visitor, `(async () => { try { await (`+sink+`); return false; } catch { return true; } })()`), sink)
	}
}

// Buttons are those that the role may use; what cannot be taken back asks; nobody's change is written over unasked.
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
	for fragment, buttons := range map[string][]string{
		"#scripts": {"New script"}, "#script/" + script: {"Save", "Pause", "Disable", "Run now", "Restore", "Delete script"}, "#execution/" + execution: {"Replay", "Cancel"},
		"#endpoints": {"Publish"}, "#dead-letters": {"Retry all"},
	} {
		guest.open(fragment)
		guest.ready()
		for _, name := range buttons {
			require.False(t, guest.has(name), "%s %s", fragment, name)
		}
		require.NotContains(t, guest.text(), "Keys")
	}

	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("#script/" + script)
	v.ready()
	write := func(text string) {
		browsertest.Eval[bool](v.Visitor, fmt.Sprintf(`(() => { const area = document.querySelector(".editor textarea"); area.value = %q; area.dispatchEvent(new Event("input")); return true; })()`, text))
	}
	mine, theirs := "export default { run() { return 'mine' } }", "export default { run() { return 'theirs' } }"
	change(theirs)
	write(mine)
	v.press("Save", true)
	v.until(`document.body.innerText.includes("Somebody has changed this script")`)
	require.Equal(t, theirs, source())
	require.Equal(t, mine, browsertest.Eval[string](v.Visitor, `document.querySelector(".editor textarea").value`))
	v.press("Save over it", false)
	require.Equal(t, theirs, source())
	v.press("Save over it", true)
	require.Eventually(t, func() bool { return source() == mine }, time.Minute, 20*time.Millisecond)
	v.until(`document.querySelector("main .bar")?.innerText.includes("version 3")`)

	// A text that is not saved is not lost by a step to another view.
	write(theirs)
	browsertest.Eval[bool](v.Visitor, `(() => { window.asked = []; window.confirm = (q) => { window.asked.push(q); return false; }; location.hash = "#executions"; return true; })()`)
	v.until(`window.asked.length === 1`)
	require.Equal(t, theirs, browsertest.Eval[string](v.Visitor, `document.querySelector(".editor textarea").value`))
	require.Equal(t, "#script/"+script, browsertest.Eval[string](v.Visitor, `location.hash`))

	v.press("Restore", false)
	v.until(`window.asked.length === 1`)
	require.Equal(t, mine, source())
	v.open("#dead-letters")
	v.ready()
	v.press("Retry all", false)
	v.until(`window.asked.length === 1`)
}
