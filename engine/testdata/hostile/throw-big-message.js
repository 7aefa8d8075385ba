// expect: failed exception or failed exceeded_memory, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    throw new Error('m'.repeat(5e7));
  },
};
