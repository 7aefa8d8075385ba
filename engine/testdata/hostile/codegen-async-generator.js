// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (async function* () {}).constructor('yield 1')();
  },
};
