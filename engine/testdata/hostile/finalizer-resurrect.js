// expect: completed or timeout exceeded_wall_time or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    const kept = []; const r = new FinalizationRegistry((h) => kept.push(h)); for (let i = 0; i < 1e6; i++) r.register({}, { i }); return 1;
  },
};
