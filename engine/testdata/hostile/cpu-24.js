// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    'a'.repeat(2**26).split('a').length
    )
  },
};
