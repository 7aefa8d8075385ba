// expect: timeout exceeded_wall_time or failed exception or failed exceeded_memory or completed, within 2 s
export default {
  async run(input, env, ctx) {
    const a = new Float64Array(3e7); for (let i = 0; i < a.length; i++) a[i] = (i * 7919) % 1000003; return a.sort()[0];
  },
};
