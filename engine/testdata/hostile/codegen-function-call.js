// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return Function.prototype.constructor.call(null, 'return globalThis')();
  },
};
