// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    'ab'.repeat(1e8).replace(/a/g,'yyyyyyyyyy')
    )
  },
};
