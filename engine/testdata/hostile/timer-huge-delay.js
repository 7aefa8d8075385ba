// expect: timeout exceeded_wall_time or completed, within 2 s
export default {
  async run(input, env, ctx) {
    await new Promise((r) => setTimeout(r, 2 ** 31)); return 1;
  },
};
