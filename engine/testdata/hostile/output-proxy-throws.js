// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return new Proxy({ a: 1 }, { ownKeys() { throw new Error('keys'); } });
  },
};
