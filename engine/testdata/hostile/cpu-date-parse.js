// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    for (;;) Date.parse('Tue Nov 24 2026 22:00:00 GMT+0100');
  },
};
