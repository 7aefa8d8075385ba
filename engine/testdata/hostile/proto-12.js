// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    Object.freeze(globalThis);
    return (1);
  },
};
