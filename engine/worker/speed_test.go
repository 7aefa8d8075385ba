package worker

import (
	"encoding/json"
	"fmt"
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
}

const measure = `
async function measure(f) {
  await f();
  const began = Date.now();
  let n = 0, took = 0;
  do {
    await f();
    n++;
    took = Date.now() - began;
  } while (took < 60 || n < 3);
  return took / n;
}
`

// BenchmarkWebAPISpeed prints how long calls take here and in Node, where it is installed.
func BenchmarkWebAPISpeed(b *testing.B) {
	node, _ := exec.LookPath("node")
	for range b.N {
		for _, in := range speedInputs {
			w := spawn(b).leaseOf(512 << 20)
			made := "const make = () => {" + in.body + "};"
			require.Empty(b, w.loadAs(1, "oneoff", 512<<20, measure+made+script("return measure(make())")).Code)
			m := w.runOf(1, `{}`)
			m.WallMillis = 60000
			w.send(m)
			r := w.result()
			if r.Code != "" {
				b.Errorf("%s: %s %s", in.name, r.Code, r.Message)
				continue
			}
			var ours, theirs float64
			require.NoError(b, json.Unmarshal(r.Body, &ours))
			if node == "" {
				b.Logf("%-42s %9.2f ms", in.name, ours)
				continue
			}
			out, err := exec.Command(node, "-e", measure+made+`measure(make()).then((v) => console.log(v))`).Output()
			require.NoError(b, err)
			_, err = fmt.Sscan(strings.TrimSpace(string(out)), &theirs)
			require.NoError(b, err)
			b.Logf("%-42s %9.2f ms, Node %9.2f ms: × %.1f", in.name, ours, theirs, ours/theirs)
		}
	}
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
		{"long output of other ops", `const s = "日".repeat(5000); if (new TextDecoder("shift_jis").decode(new Uint8Array(10000).map((_, i) => i % 2 ? 0xfa : 0x93)) !== s) return "shift_jis";`},
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
