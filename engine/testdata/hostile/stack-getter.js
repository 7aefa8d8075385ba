// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const o = { get x() { return o.x; } }; return o.x;
  },
};
