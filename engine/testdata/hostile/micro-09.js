// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Promise.reject(new Error('unhandled'));
    return (1);
  },
};
