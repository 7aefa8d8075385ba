// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Array(2**32-2).join('x')
    )
  },
};
