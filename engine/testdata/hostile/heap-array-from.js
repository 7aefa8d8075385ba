// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
// V8's loop does not look at a termination request.
export default {
  async run(input, env, ctx) {
    return Array.from({ length: 1e9 }, () => ({}));
  },
};
