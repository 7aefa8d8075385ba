import superjson from "superjson";
export default { run() { const v = { d: new Date(0), s: new Set([1]), m: new Map([["a", undefined]]), b: 10n, r: /x/gi, u: undefined, n: NaN }, t = superjson.stringify(v), back = superjson.parse(t); return [t, back.d.getTime(), [...back.s], back.b === 10n, back.r.flags, "u" in back, Number.isNaN(back.n)]; } };
