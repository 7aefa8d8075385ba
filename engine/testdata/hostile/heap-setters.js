// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (let i = 0; ; i++) { const o = {}; Object.defineProperty(o, 'p' + i, { get() { return i; }, configurable: true }); a.push(o); }
  },
};
