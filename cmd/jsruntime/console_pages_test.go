//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/browsertest"
	"example.com/jsruntime/migrations/dbtest"
)

// What people do on the pages of the console, in a real browser, against a real node.

const failingSource = `type Order = { items?: string[] };

function tax(order: Order): number {
  return order.items![0]!.length;
}

export default {
  async run(input: Order) {
    console.log("taxing", input);
    return tax(input);
  },
};
`

// A failing script is found from the overview: one click leads to its line, or to the run that shows the code around it; there the input
// is edited, and the run succeeds.
func TestConsoleFromOverviewToLine(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "orders", "type": "oneoff", "status": "active", "source": failingSource})["id"].(string)
	for range 3 {
		n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{"n": 1}})
	}
	v := visit(t, browser, n)
	v.signIn(key)
	// The list of scripts marks it, and finds it by that.
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "calm", "type": "oneoff", "source": "export default { run() {} }"})
	v.ready()
	v.open("scripts")
	v.until(`[...document.querySelectorAll("main tbody tr")].map((r) => r.textContent.includes("100 %")).join() === "false,true"`)
	v.press("Failing")
	v.until(`document.querySelectorAll("main tbody tr").length === 1 && document.querySelector("main tbody").textContent.includes("orders") && location.search === "?failed=true"`)
	v.open("")
	v.until(`document.querySelector('table[aria-label="Failing scripts"]')`)
	v.until(`document.querySelector('table[aria-label="Failing scripts"] tbody tr')?.innerText.includes("3")`)
	require.Contains(t, v.text(), "Cannot read properties of undefined")
	v.until(`document.querySelector(".chart canvas")`)
	v.press("orders.ts:4")
	v.until(`location.pathname === "/console/scripts/` + id + `" && new URLSearchParams(location.search).get("line") === "4"`)
	v.must(`(history.back(), true)`)

	v.until(`document.querySelector('table[aria-label="Failing scripts"] a.row-link')`)
	v.must(`(document.querySelector('table[aria-label="Failing scripts"] a.row-link').click(), true)`)
	v.until(`document.querySelector(".excerpt .here")?.textContent.includes("order.items![0]")`)
	v.until(`document.querySelector(".log")?.textContent.includes("taxing")`)
	v.press("Edit input and run")
	v.write("dialog textarea", `{"items": `)
	v.until(`document.querySelector("dialog .fault")?.textContent.includes("not JSON")`)
	v.write("dialog textarea", `{"items": ["four"]}`)
	v.until(`!document.querySelector("dialog button[type=submit]").disabled`)
	v.press("Run")
	v.until(`document.querySelector(".page-head .status")?.textContent === "completed"`)
	v.until(`document.querySelector('[aria-label="Output"]')?.textContent === "4"`)
}

// An event that no attempt could handle is followed from one attempt to the next, to its dead letter.
func TestConsoleChainOfARun(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "mailer", "type": "event", "status": "active", "event_types": []string{"user.created"}, "retry": map[string]any{"max_attempts": 3, "backoff_ms": 100},
		"source": `export default { async event(e, env) { console.log("mail to", e.data.user); await env.KV?.get("x"); await fetch("http://127.0.0.1:1/").catch(() => {}); throw new Error("no mail today"); } }`,
	})
	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "user.created", "data": map[string]any{"user": 7}})
	require.Eventually(t, func() bool {
		return len(n.must(200, "GET", "/api/v1/dead-letters", key, nil)["items"].([]any)) == 1
	}, time.Minute, 50*time.Millisecond)

	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("executions?status=failed")
	v.until(`document.querySelectorAll('table[aria-label="Executions"] tbody tr').length === 3`)
	// A row is a link, and the keyboard steps through the rows.
	v.must(`(() => { const rows = document.querySelectorAll("a.row-link"); rows[0].focus(); rows[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true })); return document.activeElement === rows[1]; })()`)
	v.must(`(document.activeElement.click(), true)`)
	v.until(`document.querySelector(".chain")?.textContent.includes("Dead letter")`)
	v.until(`[...document.querySelectorAll(".chain li")].map((s) => s.textContent).join(" ") === "Event user.created Attempt 1failed Attempt 2failed Attempt 3failed Dead letter2 retries"`)
	// One stream: what it wrote, and then the error, after the last line.
	v.until(`/began.*mail to 7.*no mail today/s.test(document.querySelector(".stream")?.textContent) && document.querySelector(".stream").textContent.split("Error: no mail today").length === 2`)
	v.until(`document.querySelector('table[aria-label="Calls"]')?.textContent.includes("http://127.0.0.1:1/")`)
	v.until(`[...document.querySelectorAll("[role=meter]")].some((m) => m.getAttribute("aria-label") === "Memory")`)
	v.press("Attempt 3")
	v.until(`document.querySelector(".chain strong")?.textContent === "Attempt 3"`)

	// The dead letter is sent again, and that is the chain's end.
	v.press("Dead letter")
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("no mail today")`)
	v.press("Send again")
	v.until(`[...document.querySelectorAll(".chain li")].map((s) => s.textContent.replace(/[0-9]+ retries/, "")).join(" ") === "Event user.created Attempt 1failed Attempt 2failed Attempt 3failed Dead letter Sent againfailed"`)

	// Filters are in the address, and the address shows what it showed.
	v.press("Executions")
	v.until(`document.querySelectorAll('table[aria-label="Executions"] tbody tr').length === 4`)
	v.must(`(() => { const f = document.querySelector('select[aria-label="Trigger"]'); f.value = "cron"; return f.dispatchEvent(new Event("change", { bubbles: true })); })()`)
	v.until(`location.search.includes("trigger_type=cron") && document.body.innerText.includes("No execution is like that.")`)
	v.open("executions?trigger_type=event")
	v.until(`document.querySelectorAll('table[aria-label="Executions"] tbody tr').length === 4`)

	// The palette finds a script by a few letters.
	v.must(`dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true }))`)
	v.write(".palette input", "mail")
	v.until(`[...document.querySelectorAll(".palette li")].some((c) => c.textContent.includes("mailer"))`)
	v.must(`([...document.querySelectorAll(".palette li")].find((c) => c.textContent.includes("mailer")).click(), true)`)
	v.until(`location.pathname.startsWith("/console/scripts/") && document.querySelector("main h1")?.textContent.includes("mailer")`)
}

// The page of a run that goes on shows its lines as they are written, and the whole when it has ended.
func TestConsoleRunGoesOn(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "waits", "type": "oneoff", "status": "active", "source": `import { kv } from "jsruntime";
		export default { async run() { console.log("first"); let n = 0; while (!(await kv.get("go"))) { console.log("turn", ++n); await new Promise((r) => setTimeout(r, 100)); } console.log("last"); return "done"; } }`})["id"].(string)
	run := n.must(202, "POST", "/api/v1/scripts/"+id+"/executions", key, map[string]any{})["id"].(string)
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("executions/" + run)
	v.until(`document.querySelector(".page-head .status")?.textContent === "running"`)
	v.until(`/turn [0-9]+/.test(document.querySelector(".stream .log")?.textContent)`)
	require.True(t, v.has("Cancel"))
	n.must(204, "PUT", "/api/v1/kv/go", key, map[string]any{"value": true})
	v.until(`document.querySelector(".page-head .status")?.textContent === "completed"`)
	v.until(`/began.*first.*turn 1.*last.*completed after/s.test(document.querySelector(".stream .log")?.textContent)`)
	v.until(`document.querySelector('table[aria-label="Calls"]')?.textContent.includes("kv")`)
	require.False(t, v.has("Cancel"))
}

// Lines appear on the live log as they are written.
func TestConsoleLiveLog(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "talks", "type": "oneoff", "status": "active", "source": `export default { run(n) { console.log("said", n); } }`})["id"].(string)
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("logs?text=said")
	v.until(`document.querySelector(".page-head .tag")?.textContent === "live"`)
	n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": 42})
	v.until(`document.querySelector(".log")?.textContent.includes("said 42")`)
}

// Every page that the navigation offers has nothing serious against it by axe, in both themes, and fits into 390 px. A viewer and the
// operator see theirs.
func TestConsoleIsAccessible(t *testing.T) {
	t.Parallel()
	axe := axeSource(t)
	if axe == "" {
		t.Skip("axe-core is not installed: make console installs it")
	}
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "orders", "type": "oneoff", "status": "active", "source": failingSource})["id"].(string)
	run := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{"n": 1}})["id"].(string)
	viewer := n.must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": "viewer", "role": "viewer"})["key"].(string)

	for _, who := range []struct {
		name, key string
		pages     []string
	}{{"admin", key, []string{"/console/scripts/" + id, "/console/executions/" + run}}, {"viewer", viewer, []string{"/console/executions/" + run}}, {"operator", testAdminKey, []string{"/console/tenants/acme"}}} {
		v := visit(t, browser, n)
		v.signIn(who.key)
		v.ready()
		pages := append(who.pages, browsertest.Eval[[]string](v.Visitor, `[...document.querySelectorAll(".side nav a")].map((a) => a.pathname)`)...)
		require.NotEmpty(t, pages)
		for i, page := range pages {
			for j, theme := range []string{"light", "dark"} {
				if who.name == "viewer" && i%2 != j { // the same pages with less on them
					continue
				}
				v.must(`(localStorage.setItem("jsruntime.prefs", JSON.stringify({ theme: %q })), true)`, theme)
				v.open(strings.TrimPrefix(page, "/console/"))
				v.ready()
				v.until(`document.querySelector("main h1")`)
				v.Do(chromedp.EmulateViewport(1280, 900))
				require.False(t, browsertest.Eval[bool](v.Visitor, `Boolean(document.querySelector("main .notice.bad") && !/executions\/|nodes|tenants\/acme/.test(location.pathname))`), "%s of %s: %s", page, who.name, v.text())
				assert.Empty(t, v.serious(axe), "%s of %s, %s", page, who.name, theme)
				if theme == "light" {
					v.Do(chromedp.EmulateViewport(390, 800))
					width := browsertest.Eval[int](v.Visitor, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(document.documentElement.scrollWidth))))`)
					assert.LessOrEqual(t, width, 390, "%s of %s at 390 px", page, who.name)
					v.Do(chromedp.EmulateViewport(1280, 900))
				}
			}
		}
	}
}

// A viewer, and keys with one scope each, walk through every page that they are offered: no request of a page is refused, and no button is there
// whose act would be.
func TestConsoleOffersWhatIsAllowed(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "orders", "type": "oneoff", "status": "active", "source": failingSource})["id"].(string)
	run := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{"n": 1}})["id"].(string)
	n.must(204, "PUT", "/api/v1/secrets/STRIPE", key, map[string]any{"value": "sk_live_1"})
	n.must(204, "PUT", "/api/v1/kv/cart", key, map[string]any{"value": 1})
	made := func(with map[string]any) string {
		return n.must(201, "POST", "/api/v1/api-keys", key, with)["key"].(string)
	}
	// Acts that change something, by what their buttons are called, and the scope that each asks for.
	acts := map[string]string{
		"New script": "scripts:write", "Save": "scripts:write", "Save as version…": "scripts:write", "Pause": "scripts:write", "Archive": "scripts:write", "+ File": "scripts:write", "Delete": "",
		"Run now": "executions:run", "Replay": "executions:run", "Edit input and run": "executions:run", "Publish": "events:publish", "New key": "kv:write", "New secret": "secrets:write", "Set": "vars:write",
		"Make": "keys:write", "New webhook": "webhooks:write", "Send many again": "dead_letters:run", "Compare on last inputs…": "executions:run", "Activate…": "scripts:write", "Restore": "scripts:write",
	}
	for _, who := range []struct {
		name   string
		key    string
		scopes []string
	}{
		{"viewer", made(map[string]any{"name": "viewer", "role": "viewer"}), nil},
		{"scripts:read", made(map[string]any{"name": "a", "scopes": []string{"scripts:read"}}), []string{"scripts:read"}},
		{"executions:read", made(map[string]any{"name": "b", "scopes": []string{"executions:read"}}), []string{"executions:read"}},
		{"kv:read", made(map[string]any{"name": "c", "scopes": []string{"kv:read"}}), []string{"kv:read"}},
		{"secrets:read", made(map[string]any{"name": "d", "scopes": []string{"secrets:read"}}), []string{"secrets:read"}},
		{"usage:read", made(map[string]any{"name": "e", "scopes": []string{"usage:read"}}), []string{"usage:read"}},
	} {
		v := visit(t, browser, n)
		v.signIn(who.key)
		v.ready()
		pages := browsertest.Eval[[]string](v.Visitor, `[...document.querySelectorAll(".side nav a")].map((a) => a.pathname)`)
		require.NotEmpty(t, pages, who.name)
		if who.scopes == nil || slices.Contains(who.scopes, "scripts:read") {
			pages = append(pages, "/console/scripts/"+id, "/console/scripts/"+id+"?tab=versions", "/console/scripts/"+id+"?tab=settings")
		}
		if who.scopes == nil || slices.Contains(who.scopes, "executions:read") {
			pages = append(pages, "/console/executions/"+run)
		}
		for _, page := range pages {
			v.open(strings.TrimPrefix(page, "/console/"))
			v.ready()
			v.until(`document.querySelector("main :is(h1, .empty)")`)
			for button, scope := range acts {
				if scope == "" || !slices.Contains(who.scopes, scope) {
					assert.False(t, v.has(button), "%s of %s has %q", page, who.name, button)
				}
			}
			refused := browsertest.Eval[[]string](v.Visitor, `performance.getEntriesByType("resource").filter((e) => e.responseStatus === 403).map((e) => new URL(e.name).pathname)`)
			assert.Empty(t, refused, "%s of %s asks for what it may not have", page, who.name)
		}
	}
}
