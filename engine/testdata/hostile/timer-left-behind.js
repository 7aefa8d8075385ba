// expect: completed, within 2 s
// What is left after the handler is cancelled.
export default {
  async run(input, env, ctx) {
    setTimeout(() => { for (;;); }, 1); return 1;
  },
};
