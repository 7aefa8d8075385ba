// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    eval('a'+'=>a'.repeat(1e5));
    return 1;
  },
};
