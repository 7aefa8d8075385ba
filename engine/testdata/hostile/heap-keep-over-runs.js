// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 1e9; i++) { (globalThis.q ??= []).push({ i, s: 'x' + i }); }
  },
};
