// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    /(?:a|a?)+$/.exec('a'.repeat(50)+'!')
    )
  },
};
