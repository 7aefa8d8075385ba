package worker

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each input prepares what a call takes and returns the call.
var speedInputs = []struct{ name, body string }{
	{"structuredClone of 2,000 rows", `const v = Array.from({ length: 2000 }, (_, i) => ({ id: i, name: "row " + i, on: true, tags: ["a", "b"], at: { x: i } })); return () => structuredClone(v);`},
	{"structuredClone of 10,000 objects", `const v = Array.from({ length: 10000 }, (_, i) => ({ id: i, name: "row " + i })); return () => structuredClone(v);`},
	{"structuredClone of 2,000 instances", `class Row { constructor(i) { this.id = i; this.name = "row " + i; } } const v = Array.from({ length: 2000 }, (_, i) => new Row(i)); return () => structuredClone(v);`},
	{"structuredClone of a Map of 50,000", `const v = new Map(Array.from({ length: 50000 }, (_, i) => ["key " + i, { i }])); return () => structuredClone(v);`},
	{"structuredClone of a Set of 50,000", `const v = new Set(Array.from({ length: 50000 }, (_, i) => "key " + i)); return () => structuredClone(v);`},
	{"structuredClone of 2,000 dates", `const v = Array.from({ length: 2000 }, (_, i) => new Date(i)); return () => structuredClone(v);`},
	{"structuredClone of 2,000 errors", `const v = Array.from({ length: 2000 }, (_, i) => new TypeError("e" + i)); return () => structuredClone(v);`},
	{"structuredClone of 100,000 numbers", `const v = Array.from({ length: 100000 }, (_, i) => i); return () => structuredClone(v);`},
	{"btoa of 1 MB", `const v = "abcdefgh".repeat(125000); return () => btoa(v);`},
	{"btoa of 1 MB of latin1", `const v = "abcdefgé".repeat(125000); return () => btoa(v);`},
	{"atob of 1 MB", `const v = btoa("abcdefgé".repeat(93750)); return () => atob(v);`},
	{"TextDecoder latin1, 5 MB of ASCII", `const v = new Uint8Array(5e6).fill(97), d = new TextDecoder("latin1"); return () => d.decode(v);`},
	{"TextDecoder latin1, 5 MB with é", `const v = new Uint8Array(5e6).map((_, i) => i % 9 ? 97 : 0xe9), d = new TextDecoder("latin1"); return () => d.decode(v);`},
	{"TextDecoder windows-1251, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i), d = new TextDecoder("windows-1251"); return () => d.decode(v);`},
	{"TextDecoder utf-16le, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 0 : 97), d = new TextDecoder("utf-16le"); return () => d.decode(v);`},
	{"TextDecoder shift_jis, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 0xa0 : 0x82), d = new TextDecoder("shift_jis"); return () => d.decode(v);`},
	{"TextDecoder gbk, 1 MB", `const v = new Uint8Array(1e6).fill(0xb0), d = new TextDecoder("gbk"); return () => d.decode(v);`},
	{"TextDecoder UTF-8, 1 MB of ASCII", `const v = new Uint8Array(1e6).fill(97), d = new TextDecoder(); return () => d.decode(v);`},
	{"TextDecoder UTF-8, 2 MB of two bytes", `const v = new TextEncoder().encode("é".repeat(1e6)), d = new TextDecoder(); return () => d.decode(v);`},
	{"TextDecoder UTF-8, 3 MB of three bytes", `const v = new TextEncoder().encode("日".repeat(1e6)), d = new TextDecoder(); return () => d.decode(v);`},
	{"TextEncoder, 1 MB of ASCII", `const v = "abcdefgh".repeat(125000), e = new TextEncoder(); return () => e.encode(v);`},
	{"TextEncoder, 1 MB with é", `const v = "abcdefgé".repeat(125000), e = new TextEncoder(); return () => e.encode(v);`},
	{"TextEncoder.encodeInto, 1 MB", `const v = "abcdefgé".repeat(125000), e = new TextEncoder(), to = new Uint8Array(3e6); return () => e.encodeInto(v, to);`},
	{"Blob.text, 1 MB", `const v = new Blob(["abcdefgé".repeat(125000)]); return () => v.text();`},
	{"btoa of 16 B, 1,000 times", `const v = "abcdefghabcdefgh"; return () => { for (let i = 0; i < 1000; i++) btoa(v); };`},
	{"btoa of 1 KB, 100 times", `const v = "abcdefgh".repeat(128); return () => { for (let i = 0; i < 100; i++) btoa(v); };`},
	{"btoa of 4 KB, 100 times", `const v = "abcdefgh".repeat(511); return () => { for (let i = 0; i < 100; i++) btoa(v); };`},
	{"btoa of 5 KB, 100 times", `const v = "abcdefgh".repeat(640); return () => { for (let i = 0; i < 100; i++) btoa(v); };`},
	{"btoa of a rope of 1 MB", `let n = 0; return () => { let v = ""; n++; for (let i = 0; i < 10000; i++) v += "abcdefghi" + i + n; btoa(v); };`},
	{"atob of 16 B, 1,000 times", `const v = btoa("abcdefghabcd"); return () => { for (let i = 0; i < 1000; i++) atob(v); };`},
	{"atob of 1 KB, 100 times", `const v = btoa("abcdefgh".repeat(96)); return () => { for (let i = 0; i < 100; i++) atob(v); };`},
	{"atob of 4 KB, 100 times", `const v = btoa("abcdefgh".repeat(380)); return () => { for (let i = 0; i < 100; i++) atob(v); };`},
	{"atob of 5 KB, 100 times", `const v = btoa("abcdefgh".repeat(500)); return () => { for (let i = 0; i < 100; i++) atob(v); };`},
	{"atob of 1 MB in lines", `const v = btoa("abcdefgé".repeat(93750)).replace(/(.{76})/g, "$1\r\n"); return () => atob(v);`},
	{"TextEncoder, 16 B, 1,000 times", `const v = "abcdefghabcdefgh", e = new TextEncoder(); return () => { for (let i = 0; i < 1000; i++) e.encode(v); };`},
	{"TextEncoder, 1 KB, 100 times", `const v = "abcdefgh".repeat(128), e = new TextEncoder(); return () => { for (let i = 0; i < 100; i++) e.encode(v); };`},
	{"TextEncoder, 4 KB, 100 times", `const v = "abcdefgh".repeat(511), e = new TextEncoder(); return () => { for (let i = 0; i < 100; i++) e.encode(v); };`},
	{"TextEncoder, 8 KB, 100 times", `const v = "abcdefgh".repeat(1024), e = new TextEncoder(); return () => { for (let i = 0; i < 100; i++) e.encode(v); };`},
	{"TextEncoder, 1 MB of two-byte text", `const v = "日本語です abc ".repeat(90000), e = new TextEncoder(); return () => e.encode(v);`},
	{"TextEncoder, 1 MB of emoji", `const v = "\u{1f600}".repeat(250000), e = new TextEncoder(); return () => e.encode(v);`},
	{"TextEncoder, lone surrogates", `const v = "\ud800a".repeat(250000), e = new TextEncoder(); return () => e.encode(v);`},
	{"encodeInto, 16 B, 1,000 times", `const v = "abcdefghabcdefgh", e = new TextEncoder(), to = new Uint8Array(100); return () => { for (let i = 0; i < 1000; i++) e.encodeInto(v, to); };`},
	{"encodeInto, 4 KB, 100 times", `const v = "abcdefgh".repeat(511), e = new TextEncoder(), to = new Uint8Array(20000); return () => { for (let i = 0; i < 100; i++) e.encodeInto(v, to); };`},
	{"encodeInto, 1 MB, tight", `const v = "abcdefgh".repeat(125000), e = new TextEncoder(), to = new Uint8Array(1e6); return () => e.encodeInto(v, to);`},
	{"encodeInto, 1 MB of two-byte text", `const v = "日本語です abc ".repeat(90000), e = new TextEncoder(), to = new Uint8Array(4e6); return () => e.encodeInto(v, to);`},
	{"TextDecoder, 16 B, 1,000 times", `const v = new TextEncoder().encode("abcdefghabcdefgh"), d = new TextDecoder(); return () => { for (let i = 0; i < 1000; i++) d.decode(v); };`},
	{"new TextDecoder, 1,000 times", `const v = new TextEncoder().encode("abcdefghabcdefgh"); return () => { for (let i = 0; i < 1000; i++) new TextDecoder().decode(v); };`},
	{"TextDecoder, 1 KB, 100 times", `const v = new Uint8Array(1024).fill(97), d = new TextDecoder(); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"TextDecoder, 4 KB, 100 times", `const v = new Uint8Array(4090).fill(97), d = new TextDecoder(); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"TextDecoder, 4 KB of é, 100 times", `const v = new TextEncoder().encode("é".repeat(2000)), d = new TextDecoder(); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"TextDecoder, 8 KB, 100 times", `const v = new Uint8Array(8192).fill(97), d = new TextDecoder(); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"TextDecoder UTF-8, 1 MB malformed", `const v = new Uint8Array(1e6).fill(0xe9), d = new TextDecoder(); return () => d.decode(v);`},
	{"TextDecoder UTF-8, 1 MB of emoji", `const v = new TextEncoder().encode("\u{1f600}".repeat(250000)), d = new TextDecoder(); return () => d.decode(v);`},
	{"TextDecoder UTF-8, 1 MB fatal", `const v = new TextEncoder().encode("abcdefgé".repeat(125000)), d = new TextDecoder("utf-8", { fatal: true }); return () => d.decode(v);`},
	{"TextDecoder UTF-8, 1 MB in 64 KiB", `const v = new TextEncoder().encode("abcdefgé".repeat(125000)); return () => { const d = new TextDecoder(); let s = ""; for (let i = 0; i < v.length; i += 65536) s += d.decode(v.subarray(i, i + 65536), { stream: true }); return s + d.decode(); };`},
	{"TextDecoder latin1, 1 KB, 100 times", `const v = new Uint8Array(1024).fill(0xe9), d = new TextDecoder("latin1"); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"TextDecoder utf-16le, 1 MB of text", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 0x65 : 0xe5), d = new TextDecoder("utf-16le"); return () => d.decode(v);`},
	{"TextDecoder utf-16be, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 97 : 0), d = new TextDecoder("utf-16be"); return () => d.decode(v);`},
	{"TextDecoder utf-16le, 1 KB, 100 times", `const v = new Uint8Array(1024).map((_, i) => i % 2 ? 0 : 97), d = new TextDecoder("utf-16le"); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"TextDecoder shift_jis, 1 MB mixed", `const v = new Uint8Array(1e6).map((_, i) => [0x61, 0x82, 0xa0, 0x20, 0xb1][i % 5]), d = new TextDecoder("shift_jis"); return () => d.decode(v);`},
	{"TextDecoder shift_jis, 1 MB of ASCII", `const v = new Uint8Array(1e6).fill(97), d = new TextDecoder("shift_jis"); return () => d.decode(v);`},
	{"TextDecoder euc-jp, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 0xa2 : 0xa4), d = new TextDecoder("euc-jp"); return () => d.decode(v);`},
	{"TextDecoder iso-2022-jp, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i < 3 ? [0x1b, 0x24, 0x42][i] : i % 2 ? 0x24 : 0x22), d = new TextDecoder("iso-2022-jp"); return () => d.decode(v);`},
	{"TextDecoder iso-2022-jp, 1 MB of ASCII", `const v = new Uint8Array(1e6).fill(97), d = new TextDecoder("iso-2022-jp"); return () => d.decode(v);`},
	{"TextDecoder euc-kr, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 0xa1 : 0xb0), d = new TextDecoder("euc-kr"); return () => d.decode(v);`},
	{"TextDecoder big5, 1 MB", `const v = new Uint8Array(1e6).map((_, i) => i % 2 ? 0x40 : 0xa4), d = new TextDecoder("big5"); return () => d.decode(v);`},
	{"TextDecoder big5, 1 MB of ASCII", `const v = new Uint8Array(1e6).fill(97), d = new TextDecoder("big5"); return () => d.decode(v);`},
	{"TextDecoder gbk, 1 MB mixed", `const v = new Uint8Array(1e6).map((_, i) => [0x61, 0xd6, 0xd0, 0x20, 0xce, 0xc4][i % 6]), d = new TextDecoder("gbk"); return () => d.decode(v);`},
	{"TextDecoder gb18030, 1 MB of four bytes", `const v = new Uint8Array(1e6).map((_, i) => [0x81, 0x30, 0x81, 0x30][i % 4]), d = new TextDecoder("gb18030"); return () => d.decode(v);`},
	{"TextDecoder koi8-r, 1 KB, 100 times", `const v = new Uint8Array(1024).fill(0xe9), d = new TextDecoder("koi8-r"); return () => { for (let i = 0; i < 100; i++) d.decode(v); };`},
	{"Blob.arrayBuffer, 1 MB", `const v = new Blob(["abcdefgé".repeat(125000)]); return () => v.arrayBuffer();`},
	{"new Blob of 1 MB", `const v = "abcdefgé".repeat(125000); return () => new Blob([v]);`},
	{"Response.text, 1 MB", `const v = new TextEncoder().encode("abcdefgé".repeat(125000)); return () => new Response(v).text();`},
	{"Response.text, 5 MB", `const v = new Uint8Array(5e6).fill(97); return () => new Response(v).text();`},
	{"Response.text of a string, 1 MB", `const v = "abcdefgé".repeat(125000); return () => new Response(v).text();`},
	{"Response.json, 1 MB", `const v = JSON.stringify(Array.from({ length: 10000 }, (_, i) => ({ id: i, name: "row " + i, on: true, x: "é" }))); return () => new Response(v).json();`},
	{"Response.json() of 10,000 objects", `const v = Array.from({ length: 10000 }, (_, i) => ({ id: i, name: "row " + i })); return () => Response.json(v).text();`},
	{"Response.arrayBuffer, 1 MB", `const v = "abcdefgé".repeat(125000); return () => new Response(v).arrayBuffer();`},
	{"Response.formData, urlencoded 100 KB", `const v = new URLSearchParams(Array.from({ length: 3000 }, (_, i) => ["key" + i, "value é " + i])).toString(); return () => new Response(v, { headers: { "content-type": "application/x-www-form-urlencoded" } }).formData();`},
	{"Response.formData, multipart of 1 MB", `const f = new FormData(); for (let i = 0; i < 100; i++) f.append("k" + i, "v" + i); f.append("file", new Blob([new Uint8Array(1e6).fill(97)]), "a.bin"); return () => new Response(f).formData();`},
	{"URLSearchParams of 10,000 pairs", `const v = new URLSearchParams(Array.from({ length: 10000 }, (_, i) => ["key" + i, "value é " + i])).toString(); return () => new URLSearchParams(v).toString();`},
	{"new URL, 1,000 times", `return () => { for (let i = 0; i < 1000; i++) new URL("https://example.com/a/b/../c?x=" + i + "#é"); };`},
	{"Headers, 1,000 times", `return () => { for (let i = 0; i < 1000; i++) { const h = new Headers({ "content-type": "text/plain", "x-a": "b" }); h.append("x-b", "c"); [...h]; } };`},
	{"Request and Response, 1,000 times", `return () => { for (let i = 0; i < 1000; i++) { new Request("https://example.com/" + i, { method: "POST", body: "x" }); new Response("ok", { headers: { a: "b" } }); } };`},
	{"structuredClone of a small object, 1,000 times", `const v = { a: 1, b: "x", c: [1, 2, 3] }; return () => { for (let i = 0; i < 1000; i++) structuredClone(v); };`},
	{"structuredClone of 1 MB of bytes", `const v = new Uint8Array(1e6); return () => structuredClone(v);`},
	{"structuredClone of 2,000 typed arrays", `const v = Array.from({ length: 2000 }, (_, i) => new Uint8Array(10)); return () => structuredClone(v);`},
	{"structuredClone of 2,000 Maps", `const v = Array.from({ length: 2000 }, (_, i) => new Map([[i, i]])); return () => structuredClone(v);`},
	{"structuredClone of 2,000 Sets", `const v = Array.from({ length: 2000 }, (_, i) => new Set([i])); return () => structuredClone(v);`},
	{"structuredClone of 2,000 RegExps", `const v = Array.from({ length: 2000 }, (_, i) => new RegExp("a" + i)); return () => structuredClone(v);`},
	{"structuredClone of 2,000 boxed values", `const v = Array.from({ length: 2000 }, (_, i) => [Object(1), Object("s"), Object(true), Object(1n)][i % 4]); return () => structuredClone(v);`},
	{"structuredClone of 2,000 DOMExceptions", `const v = Array.from({ length: 2000 }, (_, i) => new DOMException("m" + i, "AbortError")); return () => structuredClone(v);`},
	{"structuredClone of 2,000 errors with causes", `const v = Array.from({ length: 2000 }, (_, i) => new Error("e" + i, { cause: new RangeError("c") })); return () => structuredClone(v);`},
	{"structuredClone of 2,000 thrown errors", `const v = Array.from({ length: 2000 }, (_, i) => { try { null.x } catch (e) { return e } }); return () => structuredClone(v);`},
	{"structuredClone of a deep object", `let v = {}; for (let i = 0; i < 1000; i++) v = { v }; return () => structuredClone(v);`},
	{"structuredClone of 1,000 keys", `const v = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => ["key" + i, i])); return () => structuredClone(v);`},
	{"structuredClone of 1 MB of text", `const v = { s: "abcdefgé".repeat(125000) }; return () => structuredClone(v);`},
	{"crypto digest SHA-256 of 1 MB", `const v = new Uint8Array(1e6); return () => crypto.subtle.digest("SHA-256", v);`},
	{"getRandomValues of 64 KiB", `const v = new Uint8Array(65536); return () => crypto.getRandomValues(v);`},
	{"randomUUID, 1,000 times", `return () => { for (let i = 0; i < 1000; i++) crypto.randomUUID(); };`},
	{"ReadableStream of 10,000 chunks", `return async () => { let n = 0; const s = new ReadableStream({ pull(c) { if (n++ < 10000) c.enqueue(n); else c.close(); } }); for await (const x of s); };`},
	{"TransformStream of 2,000 chunks", `return async () => { let n = 0; const s = new ReadableStream({ pull(c) { if (n++ < 2000) c.enqueue(n); else c.close(); } }).pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x + 1); } })); for await (const x of s); };`},
	{"TextDecoderStream, 1 MB in 64 KiB", `const v = new TextEncoder().encode("abcdefgé".repeat(125000)); return async () => { let i = 0; const s = new ReadableStream({ pull(c) { if (i < v.length) { c.enqueue(v.slice(i, i + 65536)); i += 65536; } else c.close(); } }).pipeThrough(new TextDecoderStream()); let t = ""; for await (const x of s) t += x; return t; };`},
	{"TextEncoderStream, 1 MB in 64 KiB", `const v = "abcdefgé".repeat(8192); return async () => { let i = 0; const s = new ReadableStream({ pull(c) { if (i++ < 16) c.enqueue(v); else c.close(); } }).pipeThrough(new TextEncoderStream()); let n = 0; for await (const x of s) n += x.length; return n; };`},
	{"gzip and back of 1 MB", `const v = new TextEncoder().encode("abcdefgé".repeat(125000)); return async () => new Response(new Blob([v]).stream().pipeThrough(new CompressionStream("gzip")).pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();`},
	{"Events, 1,000 times", `const t = new EventTarget(); t.addEventListener("x", () => {}); return () => { for (let i = 0; i < 1000; i++) t.dispatchEvent(new Event("x")); };`},
	{"AbortController, 1,000 times", `return () => { for (let i = 0; i < 1000; i++) { const a = new AbortController(); a.signal.addEventListener("abort", () => {}); a.abort(); } };`},
	{"JSON of 10,000 objects", `const v = Array.from({ length: 10000 }, (_, i) => ({ id: i, name: "row " + i })); return () => JSON.parse(JSON.stringify(v));`},
}

const measure = `
async function measure(f) {
  await f();
  let best = Infinity;
  for (let round = 0; round < 4; round++) { // the best of some rounds: other processes only make it slower
    const began = Date.now();
    let n = 0, took = 0;
    do {
      await f();
      n++;
      took = Date.now() - began;
    } while (took < 25);
    best = Math.min(best, took / n);
  }
  return best;
}
`

// BenchmarkWebAPISpeed tells how long calls take here and in Node, where it is installed: the best of two runs each. WEBAPI_TABLE=file writes
// the table.
func BenchmarkWebAPISpeed(b *testing.B) {
	node, _ := exec.LookPath("node")
	table := "# Web platform beside Node\n\nMade by `WEBAPI_TABLE=$PWD/bench/WEBAPI.md go test ./engine/worker -run xxx -bench WebAPISpeed -benchtime 1x` after `make build`: milliseconds " +
		"a call, the best of two runs of each side.\n\n| call | here, ms | Node " + nodeVersion(node) + ", ms | ratio |\n|---|---|---|---|\n"
	for _, in := range speedInputs {
		b.Run(in.name, func(b *testing.B) {
			made := "const make = () => {" + in.body + "};"
			ours, theirs := math.Inf(1), math.Inf(1)
			for range 2 * b.N {
				ours = min(ours, speedHere(b, made))
				if node != "" {
					theirs = min(theirs, speedThere(b, node, made))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours*1e3, "µs")
			if node != "" {
				b.ReportMetric(theirs*1e3, "node-µs")
				b.ReportMetric(ours/theirs, "×node")
			}
			table += fmt.Sprintf("| %s | %.4g | %.4g | %.1f |\n", in.name, ours, theirs, ours/theirs)
		})
	}
	if path := os.Getenv("WEBAPI_TABLE"); path != "" {
		require.NoError(b, os.WriteFile(path, []byte(table), 0o644)) // a table for everybody
	}
}

func nodeVersion(node string) string {
	out, _ := exec.Command(node, "--version").Output()
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
}

// speedThere returns milliseconds.
func speedThere(b *testing.B, node, made string) (took float64) {
	out, err := exec.Command(node, "-e", measure+made+`measure(make()).then((v) => console.log(v))`).Output()
	require.NoError(b, err)
	_, err = fmt.Sscan(strings.TrimSpace(string(out)), &took)
	require.NoError(b, err)
	return took
}

// speedHere returns milliseconds.
func speedHere(b *testing.B, made string) (took float64) {
	w := spawn(b).leaseOf(512 << 20)
	require.Empty(b, w.loadAs(1, "oneoff", 512<<20, measure+made+script("return measure(make())")).Code)
	m := w.runOf(1, `{}`)
	m.WallMillis = 60000
	w.send(m)
	r := w.result()
	require.Empty(b, r.Code, "%s", r.Message)
	require.NoError(b, json.Unmarshal(r.Body, &took))
	return took
}

// Long inputs take another way than short ones: both give the same.
func TestLongTextIsAsShort(t *testing.T) {
	t.Parallel()
	n := spawn(t).leaseOf(256 << 20)
	for _, c := range []struct{ name, body string }{
		{"btoa and atob", `for (const part of ["abc", "\u0000\u007f\u0080\u00ff", "é"]) {
			const long = part.repeat(6000), coded = btoa(long);
			let want = "";
			for (let i = 0; i < long.length; i += 3000) want += btoa(long.slice(i, i + 3000));
			if (coded !== want) return "btoa";
			if (atob(coded) !== long || atob(coded.replace(/(.{76})/g, "$1\r\n")) !== long) return "atob";
			const odd = long + "x";
			if (atob(btoa(odd)) !== odd || atob(btoa(odd).replace(/=+$/, "")) !== odd) return "padding";
		}
		for (const bad of ["A".repeat(8000) + "€", "\ud800".repeat(5000)]) {
			try { btoa(bad); return "btoa took it"; } catch (e) { if (!(e instanceof DOMException) || e.name !== "InvalidCharacterError") return String(e); }
		}
		for (const bad of ["A".repeat(8001), "A".repeat(8000) + "=", "A".repeat(7999) + "-", "=".repeat(8000), "A".repeat(4000) + "=" + "A".repeat(4003), "é".repeat(8000)]) {
			try { atob(bad); return "atob took " + bad.slice(-4); } catch (e) { if (!(e instanceof DOMException) || e.name !== "InvalidCharacterError") return String(e); }
		}`},
		{"TextDecoder of each kind", `const all = Uint8Array.from({ length: 256 }, (_, i) => i), ascii = all.map((c) => c & 127);
		const repeat = (bytes, n) => { const out = new Uint8Array(bytes.length * n); for (let i = 0; i < n; i++) out.set(bytes, i * bytes.length); return out; };
		for (const label of ["latin1", "windows-1251", "iso-8859-6", "koi8-r", "x-user-defined", "windows-874", "utf-16le", "utf-16be"]) {
			for (const part of [ascii, all]) {
				// A part of UTF-16 has whole pairs or halves that are on their own: none at its edges.
				const whole = label.startsWith("utf-16") ? part.slice(0, 0xd8) : part;
				const want = new TextDecoder(label).decode(whole).repeat(40);
				if (new TextDecoder(label).decode(repeat(whole, 40)) !== want) return label;
			}
		}
		for (const [label, lead] of [["utf-16le", [0x3d, 0xd8]], ["utf-16be", [0xd8, 0x3d]]]) {
			const d = new TextDecoder(label), trail = label === "utf-16le" ? [0, 0xde] : [0xde, 0], a = label === "utf-16le" ? [97, 0] : [0, 97];
			const long = repeat(Uint8Array.from(a), 4000), join = (...l) => Uint8Array.from(l.flatMap((x) => [...x]));
			if (d.decode(join(long, lead), { stream: true }) + d.decode(join(trail, long)) !== "a".repeat(4000) + "\u{1f600}" + "a".repeat(4000)) return label + " split pair";
			if (d.decode(join(long, lead, [1])) !== "a".repeat(4000) + "\ufffd") return label + " end";
			if (d.decode(join(long, trail, a, lead, a)) !== "a".repeat(4000) + "\ufffda\ufffda") return label + " halves";
			for (const bad of [join(long, lead), join(long, [1]), join(trail, long)]) {
				try { new TextDecoder(label, { fatal: true }).decode(bad); return label + " is not fatal"; } catch (e) { if (!(e instanceof TypeError)) return String(e); }
			}
		}
		for (const label of ["iso-8859-6", "windows-874"]) {
			try { new TextDecoder(label, { fatal: true }).decode(repeat(all, 40)); return label + " is not fatal"; } catch (e) { if (!(e instanceof TypeError)) return String(e); }
		}`},
		{"UTF-8 both ways", `for (const part of ["a", "é", "ÿ", "Ā", "日", "\u{1f600}", "aé日\u{1f600}", "\u0000"]) {
			const long = part.repeat(6000), bytes = new TextEncoder().encode(long), one = new TextEncoder().encode(part);
			if (bytes.length !== one.length * 6000) return "length";
			if (new TextDecoder().decode(bytes) !== long || await new Blob([long]).text() !== long || await new Response(bytes).text() !== long) return part;
			const to = new Uint8Array(long.length * 3), r = new TextEncoder().encodeInto(long, to);
			if (r.read !== long.length || r.written !== bytes.length || new TextDecoder().decode(to.subarray(0, r.written)) !== long) return "encodeInto " + part;
			const tight = new Uint8Array(5000), s = new TextEncoder().encodeInto(long, tight);
			if (s.written > 5000 || new TextDecoder().decode(tight.subarray(0, s.written)) !== long.slice(0, s.read)) return "encodeInto, tight " + part;
		}
		const broken = new Uint8Array(9000).fill(0xe9);
		if (new TextDecoder().decode(broken) !== "\ufffd".repeat(9000)) return "malformed";`},
		{"long output of other ops", `const s = "日".repeat(5000); if (new TextDecoder("shift_jis").decode(new Uint8Array(10000).map((_, i) => i % 2 ? 0xfa : 0x93)) !== s) return "shift_jis";
		const four = new Uint8Array(8000).map((_, i) => i % 2 ? 0x30 : 0x81);
		for (const label of ["gbk", "gb18030"]) if (new TextDecoder(label).decode(four) !== "\u0080".repeat(2000)) return label;
		for (const [label, bytes, text] of [["shift_jis", [0x82, 0xa0, 0xb1, 0x41], "あｱA"], ["euc-jp", [0xa4, 0xa2, 0x8e, 0xb1, 0x8f, 0xb0, 0xa1, 0x41], "あｱ丂A"], ["euc-kr", [0xb0, 0xa1, 0x41], "가A"], ["big5", [0xa4, 0x40, 0x88, 0x62, 0x41], "一Ê̄A"], ["gbk", [0xd6, 0xd0, 0x80, 0x41], "中€A"]]) {
			const many = Uint8Array.from({ length: bytes.length * 500 }, (_, i) => bytes[i % bytes.length]);
			if (new TextDecoder(label).decode(many) !== text.repeat(500)) return label;
			try { new TextDecoder(label, { fatal: true }).decode(Uint8Array.from([...many, 0xff])); return label + " is not fatal"; } catch (e) { if (!(e instanceof TypeError)) return String(e); }
		}`},
		{"random bytes of UTF-8", `let seed = 1;
		const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, (seed >>> 8) % n);
		const palette = [0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff, 0x82, 0xac];
		for (let round = 0; round < 3000; round++) {
			const bytes = Uint8Array.from({ length: 48 + random(60) }, () => palette[random(palette.length)]);
			const d = new TextDecoder("utf-8", { ignoreBOM: true });
			let want = "";
			for (let i = 0; i < bytes.length; i += 7) want += d.decode(bytes.subarray(i, i + 7), { stream: true });
			want += d.decode();
			if (new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) !== want) return String(bytes);
		}`},
		{"random base64", `let seed = 1;
		const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, (seed >>> 8) % n);
		const codes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
		const decode = (s) => { // by the letter of the standard
			s = s.replace(/[\t\n\f\r ]/g, "");
			if (s.length % 4 === 0) s = s.replace(/==?$/, "");
			if (s.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(s)) return null;
			let out = "", acc = 0, bits = 0;
			for (const c of s) {
				acc = (acc << 6 | codes.indexOf(c)) & 0xffff;
				bits += 6;
				if (bits >= 8) out += String.fromCharCode(acc >> (bits -= 8) & 255);
			}
			return out;
		};
		const strange = ["=", "==", "===", " ", "\n", "\t\r\f", "\v", "-", "_", "\0", "\x7f", "\xa0", "é", "€", "A"];
		for (let round = 0; round < 3000; round++) {
			let s = "";
			for (let n = 60 + random(40); n > 0; n--) s += codes[random(64)];
			for (let n = random(4); n > 0; n--) { const at = random(3) ? s.length - random(5) : random(s.length); s = s.slice(0, at) + strange[random(strange.length)] + s.slice(at); }
			let got = null;
			try { got = atob(s); } catch (e) { if (e.name !== "InvalidCharacterError") return String(e); }
			if (got !== decode(s)) return JSON.stringify(s);
		}
		for (let c = 0; c < 256; c++) {
			const s = "QUJD".repeat(20) + String.fromCharCode(c) + "QUJD";
			let got = null;
			try { got = atob(s); } catch {}
			if (got !== decode(s)) return "character " + c;
		}`},
		{"encodeInto at each size", `const e = new TextEncoder();
		for (const s of ["aé日\u{1f600}\ud800b\udc00".repeat(12), "é".repeat(100), "a".repeat(100), "\u{1f600}".repeat(60), "\ud83d".repeat(60), "日a".repeat(60)]) {
			let read = 0, written = 0;
			const points = [...s].map((c) => [c.length, e.encode(c)]), all = points.flatMap(([, b]) => [...b]);
			if (String(e.encode(s)) !== String(all)) return "encode " + s;
			let next = 0;
			for (let room = 0; room <= all.length + 2; room++) {
				while (next < points.length && written + points[next][1].length <= room) { read += points[next][0]; written += points[next++][1].length; }
				const memory = new Uint8Array(room + 20).fill(7), to = memory.subarray(10, 10 + room), r = e.encodeInto(s, to);
				if (r.read !== read || r.written !== written || String(to.subarray(0, written)) !== String(all.slice(0, written))) return s + " into " + room;
				for (let i = 0; i < memory.length; i++) if ((i < 10 || i >= 10 + written) && memory[i] !== 7) return "wrote beyond " + room;
			}
		}`},
		{"memory that is gone", `const s = "abcdé".repeat(100), e = new TextEncoder(), d = new TextDecoder();
		const moved = new Uint8Array(2000); structuredClone(moved.buffer, { transfer: [moved.buffer] });
		if (JSON.stringify(e.encodeInto(s, moved)) !== '{"read":0,"written":0}' || d.decode(moved) !== "") return "detached";
		const small = new ArrayBuffer(2000, { maxByteLength: 4000 }), fixed = new Uint8Array(small, 1000, 900), tracks = new Uint8Array(small, 500);
		small.resize(600);
		if (e.encodeInto(s, fixed).written !== 0 || d.decode(fixed) !== "") return "out of bounds";
		if (e.encodeInto(s, tracks).written !== 100 || d.decode(tracks) !== "abcdé".repeat(16) + "abcd") return "length that tracks";
		small.resize(4000);
		if (e.encodeInto(s, tracks).written !== 600 || d.decode(fixed.subarray(100, 200)) !== "\0".repeat(100)) return "grown";
		class Mine extends Uint8Array { get length() { return 1e9; } get byteLength() { return 1e9; } get buffer() { return new ArrayBuffer(1); } static get [Symbol.species]() { throw 1; } }
		const mine = new Mine(50);
		if (e.encodeInto(s, mine).written !== 50 || d.decode(mine).length !== 42) return "subclass";
		for (const label of ["latin1", "utf-16le", "shift_jis", "windows-1251"]) if (new TextDecoder(label).decode(moved) !== "") return label;`},
		{"ropes and slices", `let rope = ""; for (let i = 0; i < 3000; i++) rope += "é" + i;
		const flat = JSON.parse(JSON.stringify(rope)), part = ("x" + rope + "y").slice(1, -1), wide = ("€" + rope).slice(1);
		for (const s of [rope, part, wide]) {
			if (btoa(s) !== btoa(flat) || atob(btoa(s)) !== flat || String(new TextEncoder().encode(s)) !== String(new TextEncoder().encode(flat))) return "differs";
		}`},
		{"frozen global", `Object.freeze(globalThis); const s = "é".repeat(9000); if (atob(btoa(s)) !== s) return "no";`},
	} {
		require.Empty(t, n.load(1, script(c.body+"\nreturn \"same\"")).Code, c.name)
		m := n.runOf(1, `{}`)
		m.WallMillis = 60000
		n.send(m)
		r := n.result()
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.Equal(t, `"same"`, string(r.Body), c.name)
	}
}

// structuredClone guesses what a value is by its prototypes, and is not led astray by them.
func TestCloneKinds(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct{ name, body, want string }{
		{"subclasses and tampered prototypes", `class M extends Map {} class D extends Date {} class E extends RangeError {}
			const made = [new M([[1, 2]]), new D(5), new E("x"), Object.create(Map.prototype), Object.create(Date.prototype), Object.setPrototypeOf(new Set([1]), Map.prototype)];
			return structuredClone(made).map((v) => Object.prototype.toString.call(v) + (v.size ?? ""))`,
			`["[object Map]1","[object Date]","[object Error]","[object Object]","[object Object]","[object Set]1"]`},
		{"refused", `return [new WeakMap(), new WeakSet(), new WeakRef({}), Promise.resolve(), () => 1, Symbol.iterator, Object(Symbol.iterator), new Headers()].map((v) => { try { structuredClone({ v }); return "cloned"; } catch (e) { return e.name; } })`,
			`["DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError","DataCloneError"]`},
		{"errors", `const inner = new RangeError("in"), a = new TypeError("out", { cause: inner }), b = new Error("me"), c = new AggregateError([1], "many"), d = new Error("x"); b.cause = b; d.name = "URIError"; d.extra = 1; d.stack = "mine";
			const thrown = (() => { try { null.x } catch (e) { return e } })();
			const [x, y, z, u, w] = structuredClone([a, b, c, d, thrown]), bare = structuredClone(new Error());
			return [x instanceof TypeError, x.message, x.stack === a.stack, x.cause instanceof RangeError, x.cause.stack === inner.stack, Object.keys(x), Object.keys(structuredClone(b)), y.cause === y, z.constructor.name, u instanceof URIError, u.extra === undefined, u.stack, w.stack === thrown.stack, "message" in Object.getOwnPropertyDescriptors(bare),
				Error.stackTraceLimit, new Error("after").stack.includes("\n")]`,
			`[true,"out",true,true,true,[],[],true,"Error",true,true,"mine",true,false,10,true]`},
		{"errors, traces tampered with", `let read = 0, wrote = 0; const limit = Error.stackTraceLimit, e = new TypeError("t"), d = new DOMException("m", "AbortError"), out = [];
			Object.defineProperty(Error.prototype, "stack", { get() { read++ }, set() { wrote++ }, configurable: true });
			for (const value of ["none", undefined, 1e9, 0]) { Error.stackTraceLimit = value; const [c, f] = structuredClone([e, d]); out.push(c.stack === e.stack && f.stack === d.stack && c instanceof TypeError && f.name === "AbortError" && Error.stackTraceLimit === value); }
			Object.defineProperty(Error, "stackTraceLimit", { get() { throw 1 }, set() { throw 2 }, configurable: true }); out.push(structuredClone(e).stack === e.stack);
			Object.defineProperty(Error, "stackTraceLimit", { value: limit, writable: false }); out.push(structuredClone(e).stack === e.stack);
			delete Error.prototype.stack; return [out, read, wrote]`, `[[true,true,true,true,true,true],0,0]`},
		{"boxed and others", `const v = structuredClone([Object(1), Object("s"), Object(true), Object(1n), /a/gi, new Uint8Array([1]), new DataView(new ArrayBuffer(2)), new DOMException("m", "AbortError"), new Blob(["ab"])]);
			return [v[0] + 1, v[1] + "", v[2].valueOf(), String(v[3]), String(v[4]), v[5].length, v[6].byteLength, v[7].name, v[8].size]`,
			`[2,"s",true,"1","/a/gi",1,2,"AbortError",2]`},
		{"setters on prototypes", `let hit = 0; Object.defineProperty(Object.prototype, "caught", { set() { hit++; }, get() { return "no"; }, configurable: true });
			const v = JSON.parse('{"caught": 1, "__proto__": {"a": 2}}'), c = structuredClone(v); delete Object.prototype.caught;
			return [hit, Object.keys(c), c.caught, Object.getPrototypeOf(c) === Object.prototype]`, `[0,["caught","__proto__"],1,true]`},
		{"holes and cycles", `const a = [1, , 3]; a.x = a; const c = structuredClone(a); return [c.length, 1 in c, c.x === c, structuredClone(new Array(5)).length]`, `[3,false,true,5]`},
	} {
		require.Empty(t, n.load(1, script(c.body)).Code, c.name)
		r := n.run(1, `{}`)
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.Equal(t, c.want, string(r.Body), c.name)
	}
}
