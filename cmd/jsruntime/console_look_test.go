//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/browsertest"
	"example.com/jsruntime/migrations/dbtest"
)

// Long names, keys and errors of a tenant's break where they must: no page is wider than the window, and what can be done stays in sight.
func TestConsoleHoldsLongTexts(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	long := strings.Repeat("x", 120)
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "script-" + long, "type": "oneoff", "status": "active", "description": long,
		"source": `export default { async run() { await fetch("http://127.0.0.1:1/` + long + long + `").catch(() => {}); console.log("` + long + long + `"); throw new Error("` + long + long + `"); } }`,
	})["id"].(string)
	run := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{long: long}})["id"].(string)
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "nightly-" + long, "type": "scheduled", "status": "active", "cron_expression": "0,15,30,45 0-23 1-31 1-12 0-6", "source": "export default { scheduled() {} }",
	})
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "answers-" + long, "type": "http", "status": "active", "http_path": "/" + long + "/:id", "http_methods": []string{"GET", "POST", "PUT", "PATCH", "DELETE"}, "source": "export default { fetch() {} }",
	})
	n.must(204, "PUT", "/api/v1/secrets/NAME_"+strings.ToUpper(long), key, map[string]any{"value": "s", "hosts": []string{long[:60] + ".example.com"}})
	n.must(200, "PUT", "/api/v1/vars", key, map[string]any{"vars": map[string]any{"VAR_" + strings.ToUpper(long[:100]): long}})
	n.must(204, "PUT", "/api/v1/kv/cart%2F"+long+long, key, map[string]any{"value": long})
	n.must(201, "POST", "/api/v1/api-keys", key, map[string]any{"name": "key " + long, "scopes": []string{"scripts:read", "scripts:write", "executions:run", "events:publish", "invoke:" + long}})

	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	for _, page := range []string{
		"", "executions", "executions/" + run, "scripts", "scripts/" + id, "scripts/" + id + "?tab=versions", "scripts/" + id + "?tab=settings", "scripts/" + id + "?tab=run",
		"schedules", "endpoints", "events", "dead-letters", "kv", "secrets", "usage", "webhooks", "keys", "audit",
	} {
		v.open(page)
		v.ready()
		v.until(`document.querySelector("main h1")`)
		for _, width := range []int64{1440, 1024, 390} {
			v.Do(chromedp.EmulateViewport(width, 800))
			got := browsertest.Eval[int64](v.Visitor, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(document.documentElement.scrollWidth))))`)
			assert.LessOrEqual(t, got, width, "the width of %q", page)
		}
		v.Do(chromedp.EmulateViewport(1440, 800))
		if page == "secrets" || page == "keys" || page == "audit" {
			assert.True(t, browsertest.Eval[bool](v.Visitor, `[...document.querySelectorAll("main tbody td:last-child")].every((c) => c.getBoundingClientRect().right <= innerWidth)`), "the last column of %q is in sight", page)
		}
	}

	// The name of the browser's tab is what is shown, and a dialog begins at its first field.
	v.open("scripts/" + id)
	v.until(`document.title === "script-` + long + ` · jsruntime"`)
	v.open("executions/" + run)
	v.press("Edit input and run")
	v.until(`document.activeElement?.matches("dialog textarea")`)
	v.open("scripts/" + id)
	v.press("Delete")
	v.until(`document.activeElement?.matches("dialog input")`)
	require.False(t, browsertest.Eval[bool](v.Visitor, `[...document.querySelectorAll("dialog button")].find((b) => b.textContent === "Delete").disabled === false`))
}

// What a reader would not see is shown by its number: where code is written, where versions are compared and where a run is read.
func TestConsoleShowsWhatIsHidden(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	source := func(hidden string) string {
		return "export default { run(input) {\n  console.log(\"said \" + input.name); // a" + hidden + "b\n  throw new Error(\"of \" + input.name); /* " + hidden + " */\n} };\n"
	}
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "orders", "type": "oneoff", "status": "active", "source": source("c"),
	})["id"].(string)
	n.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"source": source("\u2068\u202a\u202e")})
	run := n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": map[string]any{"name": "x\u202ey\u200bz"}})["id"].(string)

	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("scripts/" + id)
	v.until(`document.querySelector(".editor-box")?.shadowRoot?.querySelectorAll(".cm-specialChar").length === 6`)
	v.open("scripts/" + id + "?tab=versions&version=2&against=1")
	v.until(`[...document.querySelectorAll(".diff-view, .diff-view *")].some((e) => e.shadowRoot?.querySelectorAll(".cm-specialChar").length === 6)`)
	v.open("executions/" + run)
	v.until(`[...document.querySelectorAll(".log .message")].some((e) => e.textContent.includes("said x<U+202E>y<U+200B>z"))`)
	v.until(`document.querySelector(".stack-view .message")?.textContent.includes("of x<U+202E>y<U+200B>z")`)
	v.until(`document.querySelector(".excerpt .here")?.textContent.includes("<U+2068><U+202A><U+202E>")`)
	v.until(`document.querySelector('[aria-label="Input"]')?.textContent.includes("x<U+202E>y<U+200B>z")`)
}

// A setting whose name every object of JavaScript has is changed like any other.
func TestConsoleChangesMembersOfAnyName(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "orders", "type": "oneoff", "source": "export default { run() {} };", "metadata": map[string]any{"toString": 1, "kept": 2},
	})["id"].(string)
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()
	v.open("scripts/" + id + "?tab=settings")
	v.field("Metadata", `{"kept": 2, "__proto__": {"a": 1}}`)
	v.press("Save settings")
	v.until(`document.querySelector(".toast")`)
	require.Equal(t, map[string]any{"kept": 2.0, "__proto__": map[string]any{"a": 1.0}}, n.must(200, "GET", "/api/v1/scripts/"+id, key, nil)["metadata"])
}
