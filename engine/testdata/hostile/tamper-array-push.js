// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    Array.prototype.push = () => { throw new Error('pwn'); }; Array.prototype[Symbol.iterator] = () => { throw new Error('pwn'); }; console.log('a', [1]); return 1;
  },
};
