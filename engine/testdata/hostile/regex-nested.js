// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return /^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60));
  },
};
