// expect: completed, within 2 s, output {"a":1}
export default {
  async run(input, env, ctx) {
    JSON.stringify = () => 'pwn'; JSON.parse = () => { throw 1; }; return { a: 1 };
  },
};
