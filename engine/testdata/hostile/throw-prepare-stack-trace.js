// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Error.prepareStackTrace = (e, s) => ({ s }); throw new Error('x');
  },
};
