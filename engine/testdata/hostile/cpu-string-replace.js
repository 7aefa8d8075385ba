// expect: timeout exceeded_wall_time or failed exceeded_memory or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    let s = 'a'; for (;;) s = s.replace(/a/g, 'aa').slice(0, 1e6);
  },
};
