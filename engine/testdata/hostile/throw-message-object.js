// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const e = new Error(); e.message = { toString() { for (;;); } }; throw e;
  },
};
