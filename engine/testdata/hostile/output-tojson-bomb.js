// expect: failed output_too_large or failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return { toJSON() { return 'x'.repeat(2 ** 28); } };
  },
};
