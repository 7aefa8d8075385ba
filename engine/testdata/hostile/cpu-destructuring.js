// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const [...a] = (function* () { for (let i = 0; ; i++) if (i < 0) yield i; })(); return a;
  },
};
