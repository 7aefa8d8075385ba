// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return ('a'.repeat(60) + '!').split(/(a+)+$/).length;
  },
};
