// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Object.defineProperty(Promise, Symbol.species, { get() { throw new Error('species'); } }); return await Promise.resolve(1);
  },
};
