// expect: completed, within 2 s, output 36
export default {
  async run(input, env, ctx) {
    Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw new Error('pwn'); }; console.log('x'); return crypto.randomUUID().length;
  },
};
