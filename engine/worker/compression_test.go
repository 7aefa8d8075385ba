package worker

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// Twenty-five megabytes go through a script of 16 MiB: compressed into its response, and there and back in the script.
func TestCompressionIsStreamed(t *testing.T) {
	t.Parallel()
	const source = `
		const part = new Uint8Array(65536); for (let i = 0, x = 1; i < part.length; i++) { x = (x * 1103515245 + 12345) >>> 0; part[i] = (x >>> 16) % 7; }
		const body = (n) => { let left = n; return new ReadableStream({ pull(c) { if (left-- > 0) c.enqueue(part); else c.close(); } }); };
		module.exports = { default: {
			fetch() { return new Response(body(400).pipeThrough(new CompressionStream("gzip"))); },
			async run(whole) {
				let total = 0, chunks = 0, most = 0;
				const from = whole ? new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3 << 20)); c.close(); } }) : body(400);
				for await (const c of from.pipeThrough(new CompressionStream("deflate")).pipeThrough(new DecompressionStream("deflate"))) {
					total += c.length; chunks++; most = Math.max(most, c.length);
				}
				return [total, chunks > 40, most < 70000];
			},
		} };`
	n := spawn(t).lease()
	require.Empty(t, n.loadAs(1, "http", 16<<20, source).Code)
	m := n.fetchOf(1, "GET", "http://acme.test/", nil, "")
	m.WallMillis, m.OutputLimit = 120_000, 64<<20
	n.send(m)
	r := n.result()
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.True(t, r.Streamed)
	z, err := gzip.NewReader(bytes.NewReader(n.body))
	require.NoError(t, err)
	total, err := io.Copy(io.Discard, z)
	require.NoError(t, err)
	require.Equal(t, int64(400*65536), total)
	t.Logf("response: %d MiB became %d MiB, peak memory %d KiB", total>>20, len(n.body)>>20, r.PeakMemory>>10)

	m = n.runOf(1, "false")
	m.WallMillis = 120_000
	n.send(m)
	r = n.result()
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `[26214400,true,true]`, string(r.Body))
	t.Logf("there and back: peak memory %d KiB", r.PeakMemory>>10)
	m = n.runOf(1, "true")
	m.WallMillis = 120_000
	n.send(m)
	r = n.result()
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `[3145728,true,true]`, string(r.Body))
}

func TestCompressionAndBack(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct{ name, body, want string }{
		{"odd pieces", `const out = []; const data = new Uint8Array(150001); for (let i = 0, x = 1; i < data.length; i++) { x = (x * 1103515245 + 12345) >>> 0; data[i] = (x >>> 16) % (i % 50 + 1); }
			const cut = (bytes, n) => new ReadableStream({ start(c) { for (let at = 0; at < bytes.length; at += n) c.enqueue(bytes.subarray(at, at + n)); c.close(); } });
			for (const f of ["gzip", "deflate", "deflate-raw"]) for (const n of [997, 65537]) {
				const z = await new Response(cut(data, n).pipeThrough(new CompressionStream(f))).bytes();
				const back = await new Response(cut(z, n + 1).pipeThrough(new DecompressionStream(f))).bytes();
				out.push(z.length < data.length && back.length === data.length && back.every((b, i) => b === data[i]));
			}
			return out`, `[true,true,true,true,true,true]`},
		{"a byte at a time, and nothing", `const b = await new Response(new Blob(["hello"]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
			const back = new ReadableStream({ start(c) { for (const x of b) c.enqueue(new Uint8Array([x]).buffer); c.close(); } }).pipeThrough(new DecompressionStream("gzip"));
			const none = new Blob([]).stream().pipeThrough(new CompressionStream("deflate-raw")).pipeThrough(new DecompressionStream("deflate-raw"));
			return [await new Response(back).text(), await new Response(none).text()]`, `["hello",""]`},
		{"results come before the end", `const z = await new Response(new Blob(["x".repeat(1e5)]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
			const d = new DecompressionStream("gzip"), w = d.writable.getWriter(), r = d.readable.getReader(); w.write(z); let n = 0; while (n < 1e5) n += (await r.read()).value.length;
			const c = new CompressionStream("gzip"), cw = c.writable.getWriter(), cr = c.readable.getReader(); const noise = crypto.getRandomValues(new Uint8Array(65536)); for (let i = 0; i < 8; i++) cw.write(noise);
			let m = 0; while (m < 2e5) m += (await cr.read()).value.length; return [n, m > 2e5]`, `[100000,true]`},
		{"errors", `const z = await new Response(new Blob(["hello hello hello"]).stream().pipeThrough(new CompressionStream("gzip"))).bytes(), out = [];
			const bad = z.slice(); bad[bad.length - 6] ^= 1; const junk = new Uint8Array([...z, 0]);
			for (const b of [bad, junk, z.slice(0, -1), new Uint8Array(), new Uint8Array([1, 2, 3])]) {
				const d = new DecompressionStream("gzip"), w = d.writable.getWriter();
				const wrote = w.write(b).catch((e) => e.name), closed = w.close().catch((e) => e.name);
				out.push(await new Response(d.readable).text().catch((e) => e.name), await wrote ?? "", await closed ?? "");
			}
			const d = new DecompressionStream("gzip"), w = d.writable.getWriter(), r = d.readable.getReader(); w.write(junk).catch(() => {});
			out.push(new TextDecoder().decode((await r.read()).value), await r.read().catch((e) => e.name), await new Response(ReadableStream.from(["text"]).pipeThrough(new DecompressionStream("gzip"))).text().catch((e) => e.name));
			const e = new DecompressionStream("gzip"), ew = e.writable.getWriter(); ew.write(z); ew.write(new Uint8Array([9])).catch(() => {}); ew.close().catch(() => {});
			out.push(await new Response(e.readable).text().catch((e) => e.name));
			return out`,
			`["TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","","TypeError","TypeError","","TypeError","TypeError","TypeError","TypeError","hello hello hello","TypeError","TypeError","TypeError"]`},
		{"more at one time than there are codecs", `const text = (i) => (i + " ").repeat(30000);
			const zs = await Promise.all(Array.from({ length: 40 }, (_, i) => new Response(ReadableStream.from([text(i), text(i)]).pipeThrough(new TextEncoderStream()).pipeThrough(new CompressionStream("gzip"))).bytes()));
			const back = await Promise.all(zs.map((z) => new Response(ReadableStream.from([z.slice(0, 50), z.slice(50)]).pipeThrough(new DecompressionStream("gzip"))).text()));
			return back.every((b, i) => b === text(i) + text(i))`, `true`},
		{"cancelled", `const d = new CompressionStream("gzip"), w = d.writable.getWriter(); const p = w.write(new Uint8Array(100000)).catch((e) => e); const q = d.readable.cancel("enough"); await q; await p;
			return await w.write(new Uint8Array(1)).catch((e) => e)`, `"enough"`},
		{"cancelled in the middle of a chunk", `const c = new CompressionStream("gzip"), w = c.writable.getWriter(), r = c.readable.getReader(); let then = 0;
			Object.defineProperty(Object.prototype, "then", { configurable: true, get() { if (this.done === false && then++ === 0) r.cancel("enough"); } });
			const p = w.write(crypto.getRandomValues(new Uint8Array(65536))).then(() => "written", (e) => e), first = await r.read(); delete Object.prototype.then;
			return [first.value.length > 0, then > 0, await p, await w.closed.catch((e) => e)]`, `[true,true,"written","enough"]`},
	} {
		require.Empty(t, n.load(1, script(c.body)).Code, c.name)
		m := n.runOf(1, "{}")
		m.WallMillis = 60_000
		n.send(m)
		r := n.result()
		require.Empty(t, r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.JSONEq(t, c.want, string(r.Body), c.name)
	}
}

// What a script began ends with its execution, and makes room for the next one's.
func TestCompressionEndsWithTheExecution(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, `let kept; module.exports = { default: { async run(keep) {
		const begin = () => { const c = new CompressionStream("gzip"), w = c.writable.getWriter(), r = c.readable.getReader(); return { w, r, first: (async () => { w.write(new Uint8Array(40000)); return (await r.read()).value.length > 0; })() }; };
		const all = Array.from({ length: 4 }, begin);
		for (const a of all) await a.first;
		if (keep) { kept = all[0]; return 0; }
		kept.w.write(new Uint8Array(4e6)).catch(() => {});
		try { for (;;) await kept.r.read(); } catch (e) { return e.name + ": " + e.message; }
	} } };`).Code)
	for range 3 {
		r := n.run(1, "true")
		require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	}
	r := n.run(1, "false")
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.Contains(t, string(r.Body), "TypeError: the execution that compressed")
}

func TestDecompressionBomb(t *testing.T) {
	t.Parallel()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestSpeed)
	require.NoError(t, err)
	zeros := make([]byte, 1<<20)
	for range 64 { // four times the script's limit
		_, err := w.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	input := `"` + base64.StdEncoding.EncodeToString(z.Bytes()) + `"`
	const begin = `const bomb = Uint8Array.fromBase64?.(input) ?? Uint8Array.from(atob(input), (c) => c.charCodeAt(0)); const d = new DecompressionStream("gzip"), w = d.writable.getWriter(); w.write(bomb).catch(() => {}); w.close().catch(() => {});`
	for name, c := range map[string]struct {
		body string
		code []string
	}{
		"read bit by bit": {`let n = 0; for await (const c of d.readable) n += c.length; return n`, []string{""}},
		"not read on":     {`const r = d.readable.getReader(); await r.read(); await new Promise((r) => setTimeout(r, 100)); return 64 << 20`, []string{""}},
		// Who says no first is a matter of timing: V8's heap limit, the kernel in the middle of V8 (the worker's death), or the kernel
		// where the script asks for an array, which is the script's own RangeError.
		"gathered": {`const all = []; for await (const c of d.readable) all.push(c); return all.length`, []string{wire.CodeExceededMemory, "lost", wire.CodeException}},
	} {
		n := spawn(t).lease()
		require.Empty(t, n.loadAs(1, "oneoff", 16<<20, script(begin+c.body)).Code, name)
		m := n.runOf(1, input)
		m.WallMillis = 60_000
		n.send(m)
		r, err := n.tryResult()
		if err != nil {
			r.Code = "lost"
		}
		require.Contains(t, c.code, r.Code, "%s: %s %s", name, r.Message, r.Stack)
		switch r.Code {
		case "":
			require.JSONEq(t, `67108864`, string(r.Body), name)
		case wire.CodeException:
			require.Equal(t, "RangeError: Array buffer allocation failed", r.Message, name)
		}
		t.Logf("%s: peak memory %d KiB", name, r.PeakMemory>>10)
	}
}
