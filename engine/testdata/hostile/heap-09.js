// expect: timeout exceeded_wall_time or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    JSON.parse('['+'[],'.repeat(2e7)+'[]]')
    )
  },
};
