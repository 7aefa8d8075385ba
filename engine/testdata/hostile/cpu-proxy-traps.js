// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const p = new Proxy({}, { get(t, k, r) { for (;;); } }); return p.x;
  },
};
