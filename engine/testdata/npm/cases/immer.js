import { applyPatches, enableMapSet, enablePatches, produce, produceWithPatches } from "immer";
enableMapSet(); enablePatches();
export default { run() {
  const base = { a: [1, 2], m: new Map([["k", { n: 1 }]]), same: {} };
  const next = produce(base, (d) => { d.a.push(3); d.m.get("k").n++; });
  const [, patches] = produceWithPatches({ x: { y: 1 } }, (d) => { d.x.y = 2; d.z = 1; });
  return [next.a, next.m.get("k"), base.m.get("k"), next.same === base.same, Object.isFrozen(next), patches, applyPatches({ x: { y: 1 } }, patches)];
} };
