// expect: completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    console.log('x'.repeat(1e8));
    return 1;
  },
};
