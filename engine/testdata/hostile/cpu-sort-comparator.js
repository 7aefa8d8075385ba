// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return Array.from({ length: 1e6 }, (_, i) => i).sort((a, b) => { for (let i = 0; i < 1e6; i++); return a - b; }).length;
  },
};
