// expect: failed output_too_large or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    'x'.repeat(2**29-24)
    )
  },
};
