// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const h = new Headers(); for (let i = 0; ; i++) h.append('x-' + i, 'v'.repeat(1000));
  },
};
