// expect: completed or failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 1e6; i++) setTimeout(() => {}, 1e6); return 1;
  },
};
