// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const a = new Error('a'), b = new Error('b', { cause: a }); a.cause = b; throw a;
  },
};
