// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    setTimeout(() => { throw new Error('in a timer'); }, 1); await new Promise((r) => setTimeout(r, 50)); return 1;
  },
};
