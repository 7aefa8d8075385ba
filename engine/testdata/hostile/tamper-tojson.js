// expect: completed, within 2 s, output {"code":"","body":"pwn"}
export default {
  async run(input, env, ctx) {
    Object.prototype.toJSON = () => ({ code: '', body: 'pwn' }); return { a: 1 };
  },
};
