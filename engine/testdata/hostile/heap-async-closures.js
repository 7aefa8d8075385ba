// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) { a.push((async () => { const big = new Array(1000).fill(1); await new Promise(() => {}); return big; })()); }
  },
};
