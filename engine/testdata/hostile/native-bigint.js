// expect: failed exception or timeout exceeded_wall_time or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    let n = 3n; for (;;) n = n * n;
  },
};
