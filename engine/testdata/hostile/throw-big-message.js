// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    throw new Error('m'.repeat(5e7));
  },
};
