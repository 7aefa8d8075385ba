// expect: failed exceeded_memory or failed exception or completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return '\ufdfa'.repeat(2e7).normalize('NFKD').length;
  },
};
