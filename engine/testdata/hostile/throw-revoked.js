// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const r = Proxy.revocable(new Error('x'), {}); r.revoke(); throw r.proxy;
  },
};
