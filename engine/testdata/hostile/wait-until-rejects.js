// expect: failed background_error, within 2 s
export default {
  async run(input, env, ctx) {
    ctx.waitUntil(Promise.reject(new Error('later'))); return 1;
  },
};
