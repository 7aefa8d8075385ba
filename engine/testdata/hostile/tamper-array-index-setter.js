// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 4; i++) Object.defineProperty(Array.prototype, i, { set() { throw new Error('pwn'); }, get() { return 'pwn'; }, configurable: true }); setTimeout(() => {}, 1); console.log('x'); return 1;
  },
};
