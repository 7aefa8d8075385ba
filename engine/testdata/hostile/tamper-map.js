// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    Map.prototype.get = Map.prototype.set = Map.prototype.delete = () => { throw new Error('pwn'); }; await new Promise((r) => setTimeout(r, 1)); return 1;
  },
};
