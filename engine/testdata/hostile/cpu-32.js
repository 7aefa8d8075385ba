// expect: completed or failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    parseInt('9'.repeat(2**28),7)
    )
  },
};
