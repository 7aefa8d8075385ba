// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    const e = new Error('x'); e.name = 'n'.repeat(5e7); throw e;
  },
};
