// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) { const g = (function* () { const x = new Array(100).fill(0); yield x; })(); g.next(); a.push(g); }
  },
};
