import { atom, createStore } from "jotai/vanilla";
export default { async run() {
  const n = atom(1), twice = atom((get) => get(n) * 2), later = atom(async (get) => get(twice) + 1), add = atom(null, (get, set, by) => set(n, get(n) + by));
  const store = createStore(), seen = []; store.sub(twice, () => seen.push(store.get(twice))); store.set(add, 4);
  return [store.get(n), store.get(twice), await store.get(later), seen];
} };
