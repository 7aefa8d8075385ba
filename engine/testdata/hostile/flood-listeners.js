// expect: completed or failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const t = new EventTarget(); for (let i = 0; i < 1e6; i++) t.addEventListener('x', () => i); return 1;
  },
};
