// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    globalThis.kept ??= []; for (;;) globalThis.kept.push(new Array(1000).fill(0));
  },
};
