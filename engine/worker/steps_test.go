package worker

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// nodeStatic is Load.Static as the node writes it.
const nodeStatic = `{"limits":{"max_memory_bytes":67108864},"organizationId":"o","scriptId":"s","scriptName":"hello","scriptType":"http","version":7}`

func (n *node) loadStatic(slot uint32, static, source string) {
	n.t.Helper()
	n.send(&wire.Load{Slot: slot, Name: "demo", MaxMemory: 64 << 20, Static: []byte(static), Source: []byte(wrapped(source))})
	k, p, err := n.r.Next()
	require.NoError(n.t, err)
	require.Equal(n.t, wire.KindLoaded, k)
	m, err := wire.ParseLoaded(p)
	require.NoError(n.t, err)
	require.Empty(n.t, m.Code, m.Message)
}

func contextJSON(id, trigger string, attempt int, auth string) []byte {
	return fmt.Appendf(nil, `{"executionId":%q,"trigger":%q,"attempt":%d,"auth":%s}`, id, trigger, attempt, auth)
}

// ctx has the same members in the same order whichever way its parts are read: as the node writes them, which is what is compared with the
// execution before, or in another order, with more of them, or with an authentication.
func TestContextMembers(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		source := fetchScript(`
			const own = Object.getOwnPropertyDescriptor(ctx, "executionId"), free = Object.isFrozen(ctx.limits);
			ctx.added = 1;
			return Response.json({ keys: Object.keys(ctx), id: ctx.executionId, trigger: ctx.trigger, attempt: ctx.attempt, auth: ctx.auth, limits: ctx.limits,
				version: ctx.version, tenant: ctx.tenantId, slug: ctx.tenantSlug, own, frozen: free })`)
		n.loadStatic(1, nodeStatic, source)
		n.loadStatic(2, `{"scriptName":"hello","scriptType":"http","more":true}`, source)
		uuid := func(i int) string { return fmt.Sprintf("01939f2e-0000-7000-8000-%012d", i) }
		usual := "limits organizationId scriptId scriptName version tenantId tenantSlug executionId trigger attempt auth params waitUntil remainingTimeMs added"
		for i, c := range []struct {
			slot    uint32
			context []byte
			keys    string
			id      string
			trigger string
			attempt int
			auth    string
		}{
			{1, contextJSON(uuid(1), "http", 1, "null"), usual, uuid(1), "http", 1, "null"},
			{1, contextJSON(uuid(2), "http", 1, "null"), usual, uuid(2), "http", 1, "null"},
			{1, contextJSON(uuid(3), "api", 1, "null"), usual, uuid(3), "api", 1, "null"},
			{1, contextJSON(uuid(4), "http", 2, "null"), usual, uuid(4), "http", 2, "null"},
			{1, contextJSON(uuid(5), "http", 2, `{"sub":"a"}`), usual, uuid(5), "http", 2, `{"sub":"a"}`},
			{1, contextJSON(uuid(6), "http", 2, "null"), usual, uuid(6), "http", 2, "null"},
			{1, contextJSON("short", "http", 2, "null"), usual, "short", "http", 2, "null"},
			{1, []byte(`{"trigger":"http","executionId":"x","attempt":3,"auth":null}`), strings.Replace(usual, "executionId trigger", "trigger executionId", 1), "x", "http", 3, "null"},
			{2, contextJSON(uuid(7), "http", 1, "null"), "scriptName more tenantId tenantSlug executionId trigger attempt auth params waitUntil remainingTimeMs added", uuid(7), "http", 1, "null"},
		} {
			m := n.getOf(c.slot)
			m.Context = c.context
			n.send(m)
			r := n.result()
			require.Equal(t, uint32(200), r.Status, "%d: %s", i, r.Message)
			var got struct {
				Keys         []string
				ID           string
				Trigger      string
				Attempt      int
				Auth         json.RawMessage
				Tenant, Slug string
				Own          map[string]any
				Frozen       bool
			}
			require.NoError(t, json.Unmarshal(r.Body, &got))
			require.Equal(t, c.keys, strings.Join(got.Keys, " "), i)
			require.Equal(t, []any{c.id, c.trigger, c.attempt, c.auth, "t-1", "acme"}, []any{got.ID, got.Trigger, got.Attempt, string(got.Auth), got.Tenant, got.Slug}, i)
			require.Equal(t, map[string]any{"value": c.id, "writable": true, "enumerable": true, "configurable": true}, got.Own, i)
			require.True(t, got.Frozen, i)
		}
	})
}

// A response is what it was when the handler gave it: what the script does to it later changes nothing, whichever way the answer leaves.
func TestResponseIsTakenWhenReturned(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		for i, body := range []string{`"short"`, `"ä"`, `"x".repeat(5000)`, `new Uint8Array([115])`, `null`} {
			for _, later := range []string{`r.headers.set("x-late", "1")`, `r.headers.append("x-a", "2")`, `r.headers.delete("x-a")`} {
				for _, more := range []string{``, `fetch("http://other.test/").catch(() => {}); `, `ctx.waitUntil(new Promise(r => setTimeout(r, 1))); `} {
					slot := uint32(1)
					require.Empty(t, n.loadAs(slot, "http", 64<<20, endpoint(fmt.Sprintf(`
						const r = new Response(%s, { headers: { "x-a": "1", "content-type": "t/t" } });
						r.headers.get("x-a");
						%s
						(async () => { for (let i = 0; i < 10; i++) await null; try { %s } catch {} })();
						return r`, body, more, later))).Code)
					n.answer = nil
					n.send(n.getOf(slot))
					r := n.result()
					require.Empty(t, r.Code, r.Message)
					headers := string(r.Headers)
					if n.answer != nil {
						headers = string(n.answer.Headers)
					}
					require.Equal(t, "x-a\n1\ncontent-type\nt/t", strings.TrimSuffix(headers, "\n"), "%d %s %s", i, later, more)
				}
			}
		}
	})
}

// An address is parsed the same after one that begins as it does, whose beginning is then not parsed again, as after another.
func TestAddressesThatBeginAlike(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`
		const members = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];
		const show = (u) => { try { const url = new URL(u), all = members.map((m) => url[m]); url.searchParams.append("z", "1"); all.push(url.href); url.pathname += "/q"; all.push(url.href); return all.join(" ") } catch (e) { return e.name } };
		let seed = 7;
		const random = (n) => ((seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 9) % n;
		const parts = ["/", "/", "a", "B", ".", "..", "%2e", "%2E", "%20", "%", "?", "?", "#", "#", "'", "|", "[", "{", "^", "\x60", "\\", " ", "é", "\t", "\n", ":", "@", "//", "&", "=", "+", "\u0000", "💩", "\ud800"];
		const starts = ["http://h.test", "http://h.test:81", "https://h.test", "http://127.0.0.1:8080", "http://u:p@h.test", "http://H.test", "http://h.test:80", "http://[::1]:1", "ws://h.test", "file:///a", "http://1.2", "http://xn--bcher-kva.test", "http://h.test."];
		let differences = [];
		for (let i = 0; i < 4000; i++) {
			const start = starts[random(starts.length)];
			let rest = random(4) === 0 ? "" : "/";
			for (let j = random(8); j > 0; j--) rest += parts[random(parts.length)];
			new URL("https://elsewhere.test/");
			const fresh = show(start + rest);
			try { new URL(start + "/") } catch {}
			for (const other of starts) if (random(6) === 0) { try { new URL(other + "/b?c") } catch {} }
			try { new URL(start + "/") } catch {}
			const known = show(start + rest);
			if (fresh !== known) differences.push([start + rest, fresh, known]);
		}
		return differences.slice(0, 5)`)).Code)
	m := n.runOf(1, `null`)
	m.WallMillis = 120_000
	n.send(m)
	r := n.result()
	require.Empty(t, r.Code, r.Message)
	require.Equal(t, "[]", string(r.Body))
}

// What a script keeps is seen, though its short executions are not each looked at.
func TestWarmMemoryIsLookedAt(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		require.Empty(t, n.loadAs(1, "http", 64<<20, `const kept = []; module.exports = { default: { async fetch() {
			kept.push(new Array(8000).fill(kept.length)); return new Response("ok") } } }`).Code)
		var last, most uint64
		for range 320 { // 10 MB
			r := n.get(1)
			require.Equal(t, uint32(200), r.Status, r.Message)
			last, most = r.PeakMemory, max(most, r.PeakMemory)
		}
		require.Greater(t, last, uint64(8<<20))
		require.Less(t, most, uint64(64<<20))
	})
}

// What a request makes is gone after it: nothing of it is kept until a collection of the whole heap, which a small script never has.
func TestRequestsLeaveNothing(t *testing.T) {
	onBothPaths(t, func(t *testing.T, n *node) {
		n.loadStatic(1, nodeStatic, fetchScript(`return Response.json({ hello: ctx.params.name, via: new URL(request.url).pathname, accept: request.headers.get("accept") })`))
		// The least that the isolate uses is what it uses after a collection of what is young.
		least := func(bursts int) uint64 {
			const atOnce = 16
			used := uint64(math.MaxUint64)
			for range bursts {
				var ms []wire.Message
				for range atOnce {
					ms = append(ms, n.getOf(1))
				}
				n.send(ms...)
				for range atOnce {
					r := n.result()
					require.Equal(t, uint32(200), r.Status, r.Message)
					used = min(used, r.PeakMemory)
				}
			}
			return used
		}
		least(200) // V8 compiles what is run often
		before := least(150)
		least(900)
		after := least(150)
		require.Less(t, after, before+1<<20, "14,400 requests left %d bytes each", (after-min(after, before))/14_400)
	})
}
