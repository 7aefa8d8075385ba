// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(new Float64Array(1e6).fill(1));
  },
};
