// expect: failed exception or completed, within 2 s
export default {
  async run(input, env, ctx) {
    Error.stackTraceLimit = Infinity; (function f(n) { if (n === 0) throw new Error('deep'); f(n - 1); })(5000);
  },
};
