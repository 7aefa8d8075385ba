// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return Array(2 ** 32 - 2).fill(0).length;
  },
};
