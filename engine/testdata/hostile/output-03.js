// expect: failed invalid_output, within 2 s
export default {
  async run(input, env, ctx) {
    const a={};a.a=a;
    return (a);
  },
};
