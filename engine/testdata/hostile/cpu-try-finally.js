// expect: timeout exceeded_wall_time, within 2 s
// Swallows the termination in finally blocks.
export default {
  async run(input, env, ctx) {
    for (;;) { try { for (;;); } finally { for (;;); } }
  },
};
