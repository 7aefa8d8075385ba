// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    eval('1'.repeat(4e8))
    )
  },
};
