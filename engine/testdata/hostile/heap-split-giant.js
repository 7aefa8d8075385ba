// expect: failed exceeded_memory or failed exception, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    return 'x'.repeat(2 ** 29 - 24).split('').length;
  },
};
