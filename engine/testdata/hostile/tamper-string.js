// expect: completed, within 2 s, output "/b"
export default {
  async run(input, env, ctx) {
    String.prototype.slice = String.prototype.indexOf = String.prototype.split = () => { throw new Error('pwn'); }; console.log('x'); return new URL('http://a/b?c=d').pathname;
  },
};
