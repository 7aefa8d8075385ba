// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Object.prototype.toJSON = () => 'pwn'; Array.prototype.toJSON = () => 'pwn'; String.prototype.toJSON = () => 'pwn'; throw new Error('mine');
  },
};
