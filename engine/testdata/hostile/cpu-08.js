// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Array(2**32-1).indexOf(1)
    )
  },
};
