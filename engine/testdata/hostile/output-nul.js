// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    return { a: '\u0000', ['\u0000']: '\u0000\u0001' };
  },
};
