// expect: failed exceeded_memory, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(new Date());
  },
};
