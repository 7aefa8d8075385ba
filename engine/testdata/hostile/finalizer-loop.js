// expect: completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const r = new FinalizationRegistry(() => { for (;;); }); for (let i = 0; i < 1e5; i++) r.register({}, i); await new Promise((r) => setTimeout(r, 5)); return 1;
  },
};
