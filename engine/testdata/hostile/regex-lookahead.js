// expect: timeout exceeded_wall_time or completed, within 2 s
export default {
  async run(input, env, ctx) {
    return /(?=(a+))a*b\1/.test('a'.repeat(60000));
  },
};
