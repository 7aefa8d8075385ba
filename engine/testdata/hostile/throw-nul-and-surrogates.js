// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    throw new Error('a\u0000b\ud800c');
  },
};
