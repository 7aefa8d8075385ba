// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return Array.from({ length: 100 }, (_, i) => i).reduce((a) => { for (;;); }, 0);
  },
};
