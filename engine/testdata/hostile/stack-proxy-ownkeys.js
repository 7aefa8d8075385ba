// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const p = new Proxy({}, { ownKeys() { return Object.keys(p); } }); return Object.keys(p);
  },
};
