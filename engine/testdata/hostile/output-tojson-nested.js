// expect: failed exception or failed invalid_output, within 2 s
export default {
  async run(input, env, ctx) {
    const o = { toJSON() { return { o }; } }; return o;
  },
};
