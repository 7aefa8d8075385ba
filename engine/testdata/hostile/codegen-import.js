// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const name = 'data:text/javascript,export default 1'; return await import(name);
  },
};
