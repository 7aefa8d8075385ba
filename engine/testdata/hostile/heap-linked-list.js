// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let n = null; for (;;) n = { n, v: [1, 2, 3] };
  },
};
