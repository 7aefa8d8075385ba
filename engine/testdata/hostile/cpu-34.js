// expect: failed exceeded_memory or failed exception, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    return (
    decodeURIComponent('%41'.repeat(1e8)).length
    )
  },
};
