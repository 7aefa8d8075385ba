// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    Error.prepareStackTrace = (e, s) => s.map((c) => [c.getThis(), c.getFunction()].filter((x) => x !== undefined && x !== null).length); const s = await new Promise((r) => setTimeout(() => r(new Error().stack), 1)); return Array.isArray(s);
  },
};
