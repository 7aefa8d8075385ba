// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    Reflect.apply = Reflect.ownKeys = () => { throw new Error('pwn'); }; return await new Promise((r) => setTimeout(() => r(1), 1));
  },
};
