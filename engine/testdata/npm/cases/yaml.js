import { parse, parseAllDocuments, parseDocument, stringify } from "yaml";
export default { run() { const d = parseDocument("a: 1 # one\nb: [x, y]\n"); d.set("c", { n: null }); return [parse("k: &x {v: 1}\nl: *x\nm: |\n  t1\n  t2\n"), String(d), stringify({ s: "a: b", l: [1] }), parseAllDocuments("a\n---\nb").length, (() => { try { parse("a: [") } catch (e) { return e.code } })()]; } };
