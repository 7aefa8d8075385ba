// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    Promise.prototype.then = () => { throw new Error('pwn'); }; await null; return 1;
  },
};
