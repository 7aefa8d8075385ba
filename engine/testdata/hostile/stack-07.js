// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Function('return '+'-'.repeat(2e5).replace(/-/g,'- ')+'1')()
    )
  },
};
