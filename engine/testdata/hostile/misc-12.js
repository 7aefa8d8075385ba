// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    console.log('x'.repeat(1e8));
    return 1;
  },
};
