// expect: timeout exceeded_wall_time or failed exceeded_memory or completed, within 2 s
export default {
  async run(input, env, ctx) {
    const o = {}; for (let i = 0; i < 3e6; i++) o['k' + i] = i; return JSON.stringify(JSON.parse(JSON.stringify(o))).length;
  },
};
