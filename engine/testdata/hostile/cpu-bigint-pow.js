// expect: timeout exceeded_wall_time or failed exception or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    return String(7n ** 9000000n).length;
  },
};
