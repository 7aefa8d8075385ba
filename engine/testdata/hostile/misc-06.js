// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Date(2**53).toISOString()
    )
  },
};
