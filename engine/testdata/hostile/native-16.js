// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Intl.PluralRules('x'.repeat(1e7))
    )
  },
};
