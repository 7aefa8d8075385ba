// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    globalThis.Promise=null;
    return ((async()=>1)());
  },
};
