// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Object.defineProperty(Error.prototype, 'name', { get() { throw 2; } }); Object.defineProperty(Error.prototype, 'message', { get() { throw 3; } }); throw new Error('real');
  },
};
