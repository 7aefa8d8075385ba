// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    throw Object.defineProperty(new Error('x'), 'cause', { get() { for (;;); } });
  },
};
