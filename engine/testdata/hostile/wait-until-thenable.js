// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    ctx.waitUntil({ then() { for (;;); } }); return 1;
  },
};
