// expect: failed exception or failed invalid_output, within 2 s
export default {
  async run(input, env, ctx) {
    const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy;
  },
};
