// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return new Array(1e8).fill(0).sort().length;
  },
};
