// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    await new Promise((r) => setTimeout(r, NaN)); return 1;
  },
};
