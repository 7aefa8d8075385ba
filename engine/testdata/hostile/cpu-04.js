// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    Array.prototype.indexOf.call({length:2**53-1},1)
    )
  },
};
