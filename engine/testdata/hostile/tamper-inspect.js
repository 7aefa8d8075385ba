// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    console.log({ [Symbol.for('nodejs.util.inspect.custom')]() { for (let i = 0; i < 10; i++); throw 1; }, get a() { throw 2; } }); return 1;
  },
};
