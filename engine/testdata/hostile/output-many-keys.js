// expect: failed output_too_large or failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const o = {}; for (let i = 0; i < 2e5; i++) o['key' + i] = i; return o;
  },
};
