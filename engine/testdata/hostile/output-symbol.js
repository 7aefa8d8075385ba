// expect: failed invalid_output, within 2 s
export default {
  async run(input, env, ctx) {
    return Symbol('x');
  },
};
