// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const o = { toJSON() { return JSON.stringify(o); } }; return JSON.stringify(o);
  },
};
