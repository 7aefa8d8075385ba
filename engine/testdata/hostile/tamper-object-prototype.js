// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    Object.prototype.then = function () { for (;;); }; Object.prototype.toJSON = undefined; return 1;
  },
};
