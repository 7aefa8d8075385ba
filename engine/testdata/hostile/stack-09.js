// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    Math.max(...Array(1e7))
    )
  },
};
