// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const g = (function* () { try { yield 1; } finally { for (;;); } })(); for (const x of g) break;
  },
};
