// expect: failed exceeded_memory or failed exception or timeout exceeded_wall_time or completed, within 2 s
export default {
  async run(input, env, ctx) {
    const r = new RegExp('(' + 'a|'.repeat(1e6) + 'b)'); return r.test('c');
  },
};
