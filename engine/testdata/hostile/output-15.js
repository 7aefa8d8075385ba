// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":{"y":1}}}')
    )
  },
};
