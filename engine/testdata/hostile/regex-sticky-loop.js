// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const r = /a?/y; for (;;) { r.lastIndex = 0; r.exec('b'); }
  },
};
