// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(new Proxy({}, {}));
  },
};
