// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Error.stackTraceLimit = 1e9; const f = (n) => { if (n) f(n - 1); else throw new Error('x'); }; f(3000);
  },
};
