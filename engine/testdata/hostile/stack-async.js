// expect: failed exception or failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const f = async () => { await f(); }; await f();
  },
};
