// expect: failed exception or failed exceeded_memory, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    return (
    eval('1'.repeat(4e8))
    )
  },
};
