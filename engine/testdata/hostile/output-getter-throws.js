// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return { get a() { throw new Error('getter'); } };
  },
};
