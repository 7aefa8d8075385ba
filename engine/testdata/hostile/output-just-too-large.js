// expect: failed output_too_large, within 2 s
export default {
  async run(input, env, ctx) {
    return 'x'.repeat((1 << 20) - 1);
  },
};
