// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(new URL('http://h/' + 'x'.repeat(10000)));
  },
};
