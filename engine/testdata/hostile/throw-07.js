// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    throw Object.assign(new Error,{message:'x'.repeat(1e8)})
  },
};
