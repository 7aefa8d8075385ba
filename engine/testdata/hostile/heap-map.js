// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    const m = new Map(); for (let i = 0; ; i++) m.set({ i }, [i]);
  },
};
