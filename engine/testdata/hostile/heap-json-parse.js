// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(JSON.parse('[' + '{"a":1},'.repeat(10000) + '1]'));
  },
};
