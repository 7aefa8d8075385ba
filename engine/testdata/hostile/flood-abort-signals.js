// expect: completed or failed exceeded_memory or timeout exceeded_wall_time or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 1e5; i++) AbortSignal.timeout(1e6); return 1;
  },
};
