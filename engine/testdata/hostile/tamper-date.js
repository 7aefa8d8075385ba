// expect: completed or failed unsettled, within 2 s, output true
export default {
  async run(input, env, ctx) {
    Date.now = () => NaN; globalThis.Date = null; await new Promise((r) => setTimeout(r, 1)); return ctx.remainingTimeMs() > 0;
  },
};
