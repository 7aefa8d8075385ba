package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/browsertest"
	"example.com/jsruntime/migrations/dbtest"
)

// What a tenant keeps, and what became of its events: each page's main job.
func TestConsoleData(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	key := n.tenant("acme")
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "orders", "type": "event", "status": "active", "event_types": []string{"order.paid"}, "retry": map[string]any{"max_attempts": 1},
		"source": `export default { async event(e) { if (typeof e.data.amount !== "number") throw new Error("amount must be a number"); return e.data.amount; } }`,
	})
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "hourly", "type": "scheduled", "status": "active", "cron_expression": "0 * * * *", "source": "export default { scheduled() {} }",
	})
	v := visit(t, browser, n)
	v.signIn(key)
	v.ready()

	// A key is made, changed, deleted.
	v.open("kv?prefix=cart%2F")
	v.press("New key")
	v.field("Key", "cart/7")
	v.field("Value", `{"items": 2`)
	v.press("Write")
	v.until(`document.querySelector("dialog[open] .notice.bad")?.textContent.includes("This is not JSON")`)
	v.field("Value", `{"items": 2}`)
	v.press("Write")
	v.press("cart/7")
	v.press("Edit")
	v.field("Value", `{"items": 3}`)
	v.press("Write")
	v.until(`!document.querySelector("dialog[open]")`)
	require.Equal(t, map[string]any{"items": 3.0}, n.must(200, "GET", "/api/v1/kv/cart%2F7", key, nil)["value"])
	v.press("cart/7")
	v.press("Delete")
	v.until(`document.querySelectorAll("dialog[open]").length === 2`)
	v.press("Delete")
	v.until(`document.querySelector("main .empty")`)
	require.Empty(t, n.must(200, "GET", "/api/v1/kv", key, nil)["items"])

	// A secret of hosts, and a var.
	v.open("secrets")
	v.press("New secret")
	v.field("Name", "STRIPE")
	v.field("Value", "sk_live_1")
	v.field("Hosts", "api.stripe.com")
	v.press("Keep")
	v.until(`!document.querySelector("dialog[open]") && document.querySelector("main table")?.textContent.includes("api.stripe.com")`)
	v.field("Name", "REGION")
	v.field("Value", "eu")
	v.press("Set")
	v.until(`[...document.querySelectorAll("main table code")].some((c) => c.textContent === "REGION")`)
	require.Equal(t, map[string]any{"REGION": "eu"}, n.must(200, "GET", "/api/v1/vars", key, nil)["vars"])
	require.NotContains(t, v.text(), "sk_live_1")

	// The log of changes has both.
	v.open("audit")
	v.ready()
	v.press("secret.put")
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("STRIPE")`)
	require.NotContains(t, v.text(), "sk_live_1")

	// An event that failed is put right and sent again.
	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order.paid", "data": map[string]any{"amount": "12"}})
	letters := func() []any { return n.must(200, "GET", "/api/v1/dead-letters", key, nil)["items"].([]any) }
	require.Eventually(t, func() bool { return len(letters()) == 1 }, time.Minute, 50*time.Millisecond)
	v.open("dead-letters")
	v.press("order.paid")
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("amount must be a number")`)
	v.press("Edit")
	v.field("Data", `{"amount": 12}`)
	v.press("Send edited")
	v.until(`location.pathname.startsWith("/console/executions/")`)
	v.until(`document.querySelector(".page-head .status")?.textContent === "completed"`)
	require.Eventually(t, func() bool { return len(letters()) == 0 }, time.Minute, 50*time.Millisecond)

	// By filter, which says first how many.
	for range 3 {
		n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "order.paid", "data": map[string]any{}})
	}
	require.Eventually(t, func() bool { return len(letters()) == 3 }, time.Minute, 50*time.Millisecond)
	v.open("dead-letters")
	v.press("Send many again")
	v.press("How many?")
	v.press("Send 3 dead letters")
	v.until(`document.querySelector(".toast")?.textContent.includes("3 dead letters under way again.")`)

	// The next ticks.
	v.open("schedules")
	v.until(`document.querySelectorAll(".ticks-of-day .tick").length >= 4`)
	v.press("Ticks")
	v.until(`document.querySelector("dialog[open]")?.textContent.includes("0 * * * *")`)

	for _, path := range []string{"usage", "webhooks", "keys"} {
		v.open(path)
		v.ready()
		v.until(`!document.querySelector("main .notice.bad")`)
	}

	// A key with scopes.
	v.field("Name", "ci")
	v.press("Scopes")
	v.must(`(() => { const b = [...document.querySelectorAll(".scopes label")].find((l) => l.textContent === "scripts:write").querySelector("input"); b.click(); return b.checked; })()`)
	v.press("Make")
	v.until(`[...document.querySelectorAll("main table tr")].some((r) => r.textContent.includes("ci") && r.textContent.includes("scripts:write"))`)

	// The operator: nodes, usage of all, a plan, a suspension.
	operator := visit(t, browser, n)
	operator.Go(n.must(201, "POST", "/api/v1/session-links", testAdminKey, nil)["url"].(string))
	operator.ready()
	operator.open("nodes")
	operator.until(`document.querySelector("main table .status")?.textContent === "alive"`)
	operator.until(`/^V8 [0-9.]+\S* is [0-9]+ days old/.test(document.querySelector("main .notice")?.textContent)`)
	operator.open("all-usage")
	operator.until(`document.querySelector("main table")?.textContent.includes("acme")`)
	// The audit log of all tenants: acme's own changes with its name, and the filters from the address.
	operator.open("all-audit?action=key.create")
	operator.until(`[...document.querySelectorAll("main table tbody tr")].some((r) => r.textContent.includes("key.create") && r.textContent.includes("acme"))`)
	operator.must(`[...document.querySelectorAll("main table tbody tr")].every((r) => r.textContent.includes("key.create"))`)
	operator.press("acme")
	operator.until(`new URLSearchParams(location.search).has("tenant") && document.querySelector("main select")?.selectedOptions[0].textContent === "acme" && document.querySelector("main table")?.textContent.includes("script.create")`)
	operator.open("all-audit?tenant=own")
	operator.until(`document.querySelector("main table")?.textContent.includes("tenant.create") && !document.querySelector("main table").textContent.includes("script.create")`)
	// A tenant's page: its usage by day as charts, its plan, and the way in.
	operator.open("tenants/acme")
	operator.until(`["Executions by day", "CPU time by day", "Bytes sent by day"].every((l) => document.querySelector('[aria-label="' + l + '"] canvas'))`)
	operator.until(`[...document.querySelectorAll(".figure")].find((f) => f.textContent.startsWith("Executions"))?.textContent.match(/[1-9]/)`)
	operator.press("Enter")
	operator.until(`document.querySelector(".tenant-name")?.textContent === "acme"`)
	operator.open("tenants")
	operator.press("Plan")
	operator.field("Plan", `{"max_scripts": 7}`)
	operator.press("Save")
	operator.until(`!document.querySelector("dialog[open]")`)
	require.Equal(t, map[string]any{"max_scripts": 7.0}, n.must(200, "GET", "/api/v1/tenants/acme", testAdminKey, nil)["plan"])
	operator.press("Suspend")
	operator.write("dialog[open] input", "acme")
	operator.press("Suspend")
	operator.until(`document.querySelector("main table .status")?.textContent === "suspended"`)
}
