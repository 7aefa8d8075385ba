// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    return 'x'.repeat(2 ** 29 - 24).split('').length;
  },
};
