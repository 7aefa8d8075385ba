// expect: completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 1e6; i++) console.log('line', i); return 1;
  },
};
