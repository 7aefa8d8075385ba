//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/browsertest"
	"example.com/jsruntime/migrations/dbtest"
)

// The page of one script: editor, versions, settings, runs by hand. And /docs.

// code is the text that the editor shows.
func (v *visitor) code() string {
	v.t.Helper()
	v.until(`document.querySelector(".editor-box")?.shadowRoot?.querySelector(".cm-line")`)
	return browsertest.Eval[string](v.Visitor, `[...document.querySelector(".editor-box").shadowRoot.querySelectorAll(".cm-line")].map((l) => l.textContent).join("\n")`)
}

// shows waits until the editor shows a text.
func (v *visitor) shows(text string) {
	v.t.Helper()
	require.Eventually(v.t, func() bool { return strings.Contains(v.code(), text) }, time.Minute, 20*time.Millisecond, text)
}

// edit puts a text in the place of all that the editor has, as select all and paste do.
func (v *visitor) edit(text string) {
	v.t.Helper()
	v.code()
	v.must(`(() => {
		const content = document.querySelector(".editor-box").shadowRoot.querySelector(".cm-content");
		content.focus();
		content.dispatchEvent(new KeyboardEvent("keydown", { key: "a", code: "KeyA", keyCode: 65, ctrlKey: true, bubbles: true, cancelable: true }));
		const data = new DataTransfer();
		data.setData("text/plain", %q);
		content.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
		return true;
	})()`, text)
	v.shows(strings.SplitN(text, "\n", 2)[0])
}

// squiggle is the text below the first squiggle of the editor, "" where there is none.
const squiggle = `(document.querySelector(".editor-box")?.shadowRoot?.querySelector(".cm-lintRange-error")?.textContent ?? "")`

// says waits until the page has a text.
func (v *visitor) says(text string) {
	v.t.Helper()
	v.until(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// field writes into the field of a label: in the dialog that is open, else in the page.
func (v *visitor) field(label, text string) {
	v.t.Helper()
	find := fmt.Sprintf(`(() => { const at = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document; const l = [...at.querySelectorAll("label[for]")].find((l) => l.textContent === %q && l.offsetParent); return l && document.getElementById(l.htmlFor); })()`, label)
	v.until(find)
	v.must(`(() => { const f = %s; f.value = %q; return f.dispatchEvent(new Event("input", { bubbles: true })) && f.dispatchEvent(new Event("change", { bubbles: true })); })()`, find, text)
}

// faultOf is what the page says below the field of a label.
func faultOf(label string) string {
	return fmt.Sprintf(`([...document.querySelectorAll(".field")].find((f) => f.querySelector("label")?.textContent === %q)?.querySelector(".fault")?.textContent ?? "")`, label)
}

// axeSource is axe-core, which make console and make verify install; empty where it is not there. With JSRUNTIME_TEST_NPM=required it has to be.
func axeSource(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "httpapi", "console", "node_modules", "axe-core", "axe.min.js"))
	if err != nil && os.Getenv("JSRUNTIME_TEST_NPM") == "required" {
		t.Fatalf("axe-core is not installed: make console installs it: %v", err)
	}
	return string(source)
}

// serious are the serious and critical faults that axe finds in the page as it is shown, once its animations have ended.
func (v *visitor) serious(axe string) []string {
	v.t.Helper()
	return browsertest.Eval[[]string](v.Visitor, axe+`;
		new Promise(requestAnimationFrame).then(() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => {})))).then(() => axe.run(document, { resultTypes: ["violations"] })).then((r) => r.violations
			.filter((f) => f.impact === "serious" || f.impact === "critical").map((f) => f.id + ": " + f.nodes.slice(0, 5).map((n) => n.target.join(" ") + " " + n.html + " " + n.failureSummary).join(" | ")))`)
}

// accessible has axe judge the page in both themes: nothing of it may be a serious or critical fault.
func (v *visitor) accessible(what string) {
	v.t.Helper()
	axe := axeSource(v.t)
	if axe == "" {
		v.t.Logf("%s: axe-core is not installed (make console installs it), so nothing judged the page", what)
		return
	}
	for _, theme := range []string{"light", "dark"} {
		v.must(`(document.documentElement.dataset.theme = %q, true)`, theme)
		require.Empty(v.t, v.serious(axe), "%s, %s", what, theme)
	}
	require.LessOrEqual(v.t, browsertest.Eval[int](v.Visitor, `document.documentElement.scrollWidth - innerWidth`), 0, "%s is wider than the window", what)
}

// Types of the runtime are known to the editor, and a wrong one is marked where it stands; so is what the node refuses.
func TestConsoleEditor(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	script := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "shop", "type": "http", "status": "active", "http_path": "/shop/:item", "http_methods": []string{"GET"},
		"source": "export default {\n  fetch(request, env, ctx) {\n    return Response.json({ item: ctx.params.item });\n  },\n};\n",
	})["id"].(string)
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("scripts/" + script)
	v.shows("ctx.params.item")

	// A type error: ctx has no such member, though the author wrote no type. It goes with its cause.
	v.edit("export default {\n  fetch(request, env, ctx) {\n    return Response.json({ item: ctx.parms.item });\n  },\n};\n")
	v.until(squiggle + ` === "parms"`)
	v.says("Did you mean 'params'?")
	v.says("source:3:38")
	v.edit("export default {\n  fetch(request, env, ctx) {\n    return Response.json({ item: ctx.params.item });\n  },\n};\n")
	v.until(squiggle + ` === ""`)
	v.says("No problems")

	// What the node refuses is marked at its place as well. It counts characters, and the editor units of UTF-16.
	v.edit("// shop\nexport default {\n  fetch() { /* é😀 */ return new Response(; },\n};\n")
	v.press("Save")
	v.until(`document.querySelector(".code-page .notice.bad")?.textContent.includes("source_invalid")`)
	v.until(`[...document.querySelectorAll(".problems li")].some((l) => l.querySelector("code").textContent === "source:3:43" && l.textContent.endsWith("upload"))`)
	v.until(squiggle + ` === ";"`)
	require.EqualValues(t, 1, n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)["version"])

	// Several files: a second one is added, imported, and saved with the first.
	v.edit("import { tax } from \"./lib/tax\";\nexport default {\n  fetch() { return Response.json(tax(100)); },\n};\n")
	v.press("+ File")
	v.write(`.file-tabs input`, "lib/tax.ts")
	v.must(`(document.querySelector(".file-tabs form").requestSubmit(), true)`)
	v.until(button("lib/tax.ts"))
	v.edit("export const tax = (n: number): number => n * 1.19;\n")
	v.press("Save")
	v.says("Version 2 is live.")
	saved := n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)
	require.Equal(t, "index.ts", saved["main"])
	require.Contains(t, saved["files"], "lib/tax.ts")
	require.Equal(t, "119", n.must(200, "POST", "/api/v1/scripts/"+script+"/executions?wait=true", key, map[string]any{})["output"].(map[string]any)["body"])

	// The endpoint can be tried from the page; what ran is linked.
	v.press("Test")
	v.press("Send")
	v.until(`document.querySelector(".panel h2 .tag.good")?.textContent === "200"`)
	v.until(`[...document.querySelectorAll("a")].some((a) => a.textContent === "Open the run" && a.href.includes("/console/executions/"))`)
	v.press("Code")
	v.says("/t/acme/shop/:item")
	v.says("curl 'http")
	v.accessible("the editor")
	v.Do(chromedp.EmulateViewport(390, 844))
	v.accessible("the editor at 390 pixels")
}

// Two people save one script: the second hears who was first, sees both texts, and takes the other's or overwrites it.
func TestConsoleTwoPeople(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	admin := n.tenant("acme")
	person := func(name, role string) *visitor {
		key := n.must(201, "POST", "/api/v1/api-keys", admin, map[string]any{"name": name, "role": role})["key"].(string)
		v := visit(t, browser, n)
		v.signIn(key)
		v.ready()
		return v
	}
	script := n.must(201, "POST", "/api/v1/scripts", admin, map[string]any{"name": "job", "type": "oneoff", "status": "active", "source": "export default { run() { return 1 } }"})["id"].(string)
	source := func() string { return n.must(200, "GET", "/api/v1/scripts/"+script, admin, nil)["source"].(string) }
	ada, ben := person("Ada", "developer"), person("Ben", "developer")
	for _, v := range []*visitor{ada, ben} {
		v.open("scripts/" + script)
		v.shows("return 1")
	}
	ada.edit("export default { run() { return 'Ada' } }")
	ada.press("Save")
	ada.says("Version 2 is live.")
	ben.edit("export default { run() { return 'Ben' } }")
	ben.says("Unsaved")
	ben.press("Save")
	ben.until(`document.querySelector("dialog[open] h2")?.textContent === "Changed by Ada"`)
	ben.until(`document.querySelector("dialog[open] time")?.dateTime`)
	// Both texts are shown side by side.
	ben.until(`[...document.querySelector("dialog[open] .diff-view").shadowRoot?.querySelectorAll(".cm-content") ?? []].map((c) => c.textContent).join("|") === "export default { run() { return 'Ada' } }|export default { run() { return 'Ben' } }"`)
	require.Equal(t, "export default { run() { return 'Ada' } }", source())
	ben.press("Take theirs")
	ben.shows("'Ada'")
	ben.until(`!document.querySelector(".unsaved.on")`)
	ben.edit("export default { run() { return 'Ben' } }")
	ben.press("Save")
	ben.says("Version 3 is live.")

	ada.edit("export default { run() { return 'Ada again' } }")
	ada.press("Save")
	ada.until(`document.querySelector("dialog[open] h2")?.textContent === "Changed by Ben"`)
	ada.press("Overwrite")
	ada.says("Version 4 is live.")
	require.Equal(t, "export default { run() { return 'Ada again' } }", source())

	// A viewer reads, and is offered nothing that would be refused.
	viewer := person("Vera", "viewer")
	for _, tab := range []string{"", "?tab=versions", "?tab=settings", "?tab=run"} {
		viewer.open("scripts/" + script + tab)
		viewer.ready()
		if tab == "" {
			viewer.shows("'Ada again'")
			require.Equal(t, "false", browsertest.Eval[string](viewer.Visitor, `document.querySelector(".editor-box").shadowRoot.querySelector(".cm-content").contentEditable`))
		}
		for _, name := range []string{"Save", "Save as version…", "Pause", "Disable", "Archive", "Delete", "Run", "Run now", "+ File", "Activate…", "Restore", "Compare on last inputs…", "Save settings"} {
			require.False(t, viewer.has(name), "%s %s", tab, name)
		}
	}
}

// A version is saved without being live, gets a share, and is taken back by itself when it fails; another one is compared and goes live.
func TestConsoleRollout(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	script := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "price", "type": "oneoff", "status": "active", "source": "export default { run(input) { return { price: 100, item: input.item } } }",
	})["id"].(string)
	run := func() map[string]any {
		return n.must(200, "POST", "/api/v1/scripts/"+script+"/executions?wait=true", key, map[string]any{"input": map[string]any{"item": "tea"}})
	}
	for range 3 {
		run()
	}
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("scripts/" + script)
	v.shows("price: 100")
	v.edit("export default { run(input) { throw new Error('no price') } }")
	v.press("Save as version…")
	v.field("Tag", "broken")
	v.field("What has changed", "prices are gone")
	v.press("Save version")
	v.says("Saved as version 2, which is not live.")
	require.EqualValues(t, 1, n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)["version"])

	v.press("Versions (2)")
	v.says("prices are gone")
	v.until(`document.querySelector(".diff-view")?.shadowRoot?.textContent.includes("no price")`)
	v.press("Activate…")
	v.field("Share of executions, in percent", "50")
	v.field("After so many runs", "2")
	v.accessible("the dialog of a rollout")
	v.press("Give it 50 %")
	v.until(`document.querySelector(".rollout h2")?.textContent === "Version 2 gets 50 %"`)
	v.accessible("a rollout")
	require.Eventually(t, func() bool {
		run()
		return n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)["candidate"] == nil
	}, time.Minute, 20*time.Millisecond)
	v.says("Version 2 was taken back")
	v.says("reverted")

	// Another version: its endings on the last inputs beside what they were.
	v.press("Code")
	v.edit("export default { run(input) { return { price: 119, item: input.item } } }")
	v.press("Save as version…")
	v.press("Save version")
	v.says("Saved as version 3, which is not live.")
	v.press("Versions (3)")
	v.until(`document.querySelector(".versions-list [aria-pressed=true] b")?.textContent === "3"`)
	v.press("Compare on last inputs…")
	v.field("That ended as", "completed")
	v.press("Compare")
	v.until(`[...document.querySelectorAll(".comparison button")].some((b) => /^[1-9]\d* different$/.test(b.textContent))`)
	v.until(`document.querySelector(".comparison details")`) // the items come at the end
	v.must(`(document.querySelector(".comparison details").open = true)`)
	v.says(`"price": 119`)
	v.accessible("a comparison")
	v.press("Activate…")
	v.field("Share of executions, in percent", "100")
	v.press("Make it live")
	v.says("Version 3 is live.")
	require.EqualValues(t, 3, run()["version"])
	v.Do(chromedp.EmulateViewport(390, 844))
	v.accessible("versions at 390 pixels")
}

// Settings are forms. What the node refuses is said at the field that it names; what was decided elsewhere is said too.
func TestConsoleSettings(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	script := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "tick", "type": "scheduled", "status": "active", "cron_expression": "0 3 * * *", "timezone": "Europe/Berlin", "source": "export default { scheduled() {} }",
		"resource_limits": map[string]any{"max_execution_time_ms": 5000},
	})["id"].(string)
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("scripts/" + script + "?tab=settings")
	v.until(`document.querySelectorAll(".settings .ticks li").length === 5`)
	// The ticks follow what is typed, in the zone and in UTC, and say what is wrong, before anything is saved.
	v.field("Cron expression", "30 17 * * MON")
	v.until(`[...document.querySelectorAll(".settings .ticks li")].filter((l) => / 17:30Europe\/Berlin \+0[12]:001[56]:30 UTC/.test(l.textContent)).length === 5`)
	v.field("Timezone", "Europe/Berlim")
	v.until(faultOf("Timezone") + `.includes("not an IANA time zone")`)
	v.until(`!document.querySelector(".settings .ticks")`)
	v.field("Timezone", "Europe/Berlin")
	v.until(`document.querySelectorAll(".settings .ticks li").length === 5`)
	v.says("by this script")
	v.field("Max execution time (ms)", "99999999")
	v.field("Cron expression", "61 * * * *")
	v.press("Save settings")
	v.until(`(` + faultOf("Cron expression") + ` + ` + faultOf("Max execution time (ms)") + `)`)
	require.Equal(t, "0 3 * * *", n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)["cron_expression"])
	v.field("Max execution time (ms)", "7000")
	v.press("Save settings")
	v.until(faultOf("Cron expression"))
	v.field("Cron expression", "30 4 * * *")
	v.field("Overlap", "allow")
	v.press("Save settings")
	v.says("Version 2 is live.")
	saved := n.must(200, "GET", "/api/v1/scripts/"+script, key, nil)
	require.Equal(t, "30 4 * * *", saved["cron_expression"])
	require.Equal(t, "allow", saved["schedule"].(map[string]any)["overlap"])
	require.Equal(t, map[string]any{"max_execution_time_ms": 7000.0}, saved["resource_limits"])
	v.accessible("settings")
	v.Do(chromedp.EmulateViewport(390, 844))
	v.accessible("settings at 390 pixels")

	// A new script of a template, which runs at once.
	v.open("scripts/new?type=scheduled")
	v.shows("scheduled")
	v.field("Cron expression", "0 0 31 2 *")
	v.until(faultOf("Cron expression") + `.includes("never falls due")`)
	v.field("Cron expression", "0 12 * * *")
	v.until(`document.querySelectorAll(".ticks li").length === 5`)
	v.open("scripts/new")
	v.shows("Response.json")
	v.field("Name", "greeting")
	v.press("Create")
	v.until(`document.querySelector("main h1")?.textContent === "greeting"`)
	require.Equal(t, map[string]any{"hello": "Ada"}, n.must(200, "GET", "/t/acme/hello/Ada", "", nil))
}

// The pages of /docs: each is accessible, the search finds a code, and an operation is tried with the session.
func TestDocsInBrowser(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	v := visit(t, browser, n)
	v.Go(n.base + "/docs/reference/access")
	v.until(`document.querySelector("#search input")`)
	require.False(t, browsertest.Eval[bool](v.Visitor, `Boolean(document.querySelector(".try-it"))`), "nobody is signed in")
	v.signIn(key)
	v.ready()
	for _, page := range []string{"", "guide/triggers", "recipes", "reference/scripts", "objects", "settings", "plan", "flags", "errors"} {
		v.Go(n.base + "/docs/" + page)
		v.until(`document.querySelector("#search input")`)
		v.accessible("/docs/" + page)
	}
	v.write("#search input", "precondition")
	v.until(`document.querySelector("#found a")?.textContent.includes("precondition_failed")`)
	v.must(`(document.querySelector("#found a").click(), true)`)
	v.until(`document.querySelector("#precondition_failed:target")`)
	v.Go(n.base + "/docs/reference/access#whoami")
	v.until(`document.querySelector("#whoami .try-it")`)
	v.must(`(document.querySelector("#whoami .try-it").open = true)`)
	v.until(`document.querySelector("#whoami .try button")`)
	v.must(`(document.querySelector("#whoami .try button").click(), true)`)
	v.until(`document.querySelector("#whoami .try-result")?.textContent.includes('"slug": "acme"')`)
	v.Do(chromedp.EmulateViewport(390, 844))
	v.accessible("/docs at 390 pixels")
}

// A session that ends while a person writes takes nothing of it: the person signs in again and goes on. Another person does not see it.
func TestConsoleSessionEndsWhileWriting(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	admin := n.tenant("acme")
	key := func(name string) string {
		return n.must(201, "POST", "/api/v1/api-keys", admin, map[string]any{"name": name, "role": "developer"})["key"].(string)
	}
	ada, ben := key("Ada"), key("Ben")
	script := n.must(201, "POST", "/api/v1/scripts", admin, map[string]any{"name": "job", "type": "oneoff", "status": "active", "source": "export default { run() { return 1 } }"})["id"].(string)
	end := func() {
		elsewhere := visit(t, browser, n)
		elsewhere.signIn(ada)
		elsewhere.ready()
		elsewhere.press("Everywhere")
		elsewhere.press("End all")
		elsewhere.until(`document.querySelector(".signin")`)
	}
	again := func(v *visitor, key string) {
		v.until(`document.querySelector("dialog.signin-again[open] .notice")?.textContent === "Your session has ended."`)
		v.write("dialog.signin-again input", key)
		v.press("Sign in")
		v.until(`!document.querySelector("dialog.signin-again")`)
	}
	v := visit(t, browser, n)
	v.signIn(ada)
	v.ready()
	v.open("scripts/" + script)
	v.shows("return 1")
	v.edit("export default { run() { return 'written' } }")
	v.says("Unsaved")
	end()
	v.press("Save")
	v.until(`document.querySelector("dialog.signin-again[open]")`)
	v.accessible("signing in again")
	// A wrong key first.
	v.write("dialog.signin-again input", "jsr_wrong")
	v.press("Sign in")
	v.until(`document.querySelector("dialog.signin-again")?.textContent.includes("This key is not valid.")`)
	again(v, ada)
	v.shows("'written'")
	v.says("Unsaved")
	v.press("Save")
	v.says("Version 2 is live.")

	// What is typed into a dialog stays as well, with its focus and what lies under it.
	v.open("kv")
	v.press("New key")
	v.field("Key", "cart/7")
	v.field("Value", `{"items": 2}`)
	end()
	v.press("Write")
	again(v, ada)
	v.press("Write")
	v.until(`!document.querySelector("dialog[open]") && document.querySelector("main table")?.textContent.includes("cart/7")`)
	require.Equal(t, map[string]any{"items": 2.0}, n.must(200, "GET", "/api/v1/kv/cart%2F7", admin, nil)["value"])

	// Ben does not see what Ada has written.
	v.open("scripts/" + script)
	v.shows("'written'")
	v.edit("export default { run() { return 'of Ada' } }")
	v.says("Unsaved")
	end()
	v.press("Save")
	again(v, ben)
	v.shows("'written'")
	v.until(`!document.querySelector(".unsaved.on") && document.querySelector(".who").textContent.includes("Ben")`)
}

// The palette leads to scripts, to their parts and to what people do often; ? shows the keys, and the focus returns from where it went.
func TestConsoleKeyboard(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	script := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "mailer", "type": "oneoff", "status": "active", "source": "export default { run() { return 1 } }"})["id"].(string)
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	palette := func(text, kind string) {
		v.must(`dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true }))`)
		v.write(".palette input", text)
		find := fmt.Sprintf(`[...document.querySelectorAll(".palette li")].find((c) => c.textContent.endsWith(%q))`, kind)
		v.until(find)
		v.must(`(%s.click(), true)`, find)
		v.until(`!document.querySelector(".palette")`)
	}
	palette("mail", "settings")
	v.until(`location.pathname === "/console/scripts/` + script + `" && location.search === "?tab=settings"`)
	palette("mail", "executions")
	v.until(`location.pathname === "/console/executions" && location.search.includes("` + script + `")`)
	palette("publish", "action")
	v.until(`location.pathname === "/console/events"`)

	v.open("scripts")
	v.ready()
	v.until(`document.querySelector("a.row-link")`)
	v.must(`(document.querySelector("a.row-link").focus(), dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true, cancelable: true })), true)`)
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("Ctrl K")`)
	v.accessible("the keys")
	v.must(`(document.querySelector('dialog[open] [aria-label="Close"]').click(), true)`)
	v.until(`!document.querySelector("dialog[open]") && document.activeElement?.classList.contains("row-link")`)
	v.must(`(dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true })), document.activeElement.type === "search")`)
	// In a field the keys are text.
	v.must(`(document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true, cancelable: true })), true)`)
	require.False(t, browsertest.Eval[bool](v.Visitor, `Boolean(document.querySelector("dialog[open]"))`))
}
