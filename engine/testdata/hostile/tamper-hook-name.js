// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    globalThis['jsruntime:hook'] = () => { throw 1; }; Promise.reject(1).catch(() => {}); return 1;
  },
};
