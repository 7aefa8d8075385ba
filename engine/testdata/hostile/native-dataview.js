// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(new DataView(new ArrayBuffer(1e7)));
  },
};
