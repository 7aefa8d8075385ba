// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const w = new WeakMap(), keep = []; for (;;) { const k = {}; keep.push(k); w.set(k, new Array(100).fill(k)); }
  },
};
