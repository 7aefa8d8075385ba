import { pack, Packr, unpack } from "msgpackr";
export default { run() { const p = new Packr({ structuredClone: true }), v = { a: 1, d: new Date(0), m: new Map([["k", [1]]]), big: 123456789012345678n }; const back = p.unpack(p.pack(v)); return [unpack(pack({ x: ["y", 1.5, true, null] })), back.d.toISOString(), back.m.get("k"), String(back.big)]; } };
