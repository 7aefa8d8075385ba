// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    ctx.waitUntil(new Promise(() => {})); return 1;
  },
};
