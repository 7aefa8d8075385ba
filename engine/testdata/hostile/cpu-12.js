// expect: timeout exceeded_wall_time or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    (2n**(2n**25n)).toString().length
    )
  },
};
