// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    [...'.'.repeat(5e8)]
    )
  },
};
