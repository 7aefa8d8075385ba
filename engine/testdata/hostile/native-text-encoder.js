// expect: failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = [], e = new TextEncoder(); for (;;) a.push(e.encode('x'.repeat(5e6)));
  },
};
