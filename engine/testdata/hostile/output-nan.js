// expect: completed, within 2 s, output [null,null,0,null,null]
export default {
  async run(input, env, ctx) {
    return [NaN, Infinity, -0, undefined, () => 1];
  },
};
