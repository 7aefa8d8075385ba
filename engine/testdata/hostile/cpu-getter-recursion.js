// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const o = { get a() { return this.a; } }; return o.a;
  },
};
