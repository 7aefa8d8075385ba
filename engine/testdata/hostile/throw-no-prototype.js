// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    throw Object.create(null);
  },
};
