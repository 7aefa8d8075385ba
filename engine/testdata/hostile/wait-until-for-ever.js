// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    ctx.waitUntil(new Promise((r) => setInterval(() => {}, 10))); return 1;
  },
};
