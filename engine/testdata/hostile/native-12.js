// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    '\u00df'.repeat(2e8).toUpperCase().length
    )
  },
};
