// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    const o = JSON.parse('{"__proto__":{"admin":true}}'); return [{}.admin === undefined, o.admin === undefined];
  },
};
