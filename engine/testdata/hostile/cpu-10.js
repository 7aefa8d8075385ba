// expect: failed exceeded_memory or failed exception or completed, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    'a'.repeat(2**28).lastIndexOf('b'.repeat(2**20))
    )
  },
};
