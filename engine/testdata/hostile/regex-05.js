// expect: completed or failed exception or failed invalid_output, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new RegExp('(?:'.repeat(1e5)+')'.repeat(1e5))
    )
  },
};
