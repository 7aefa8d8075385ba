// expect: failed exception or completed, within 2 s
export default {
  async run(input, env, ctx) {
    return new RegExp('('.repeat(1e6) + ')'.repeat(1e6)).test('');
  },
};
