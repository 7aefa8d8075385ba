// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    const parts = []; for (let i = 0; ; i++) parts.push(`${i}`.padStart(2000, 'x') + i);
  },
};
