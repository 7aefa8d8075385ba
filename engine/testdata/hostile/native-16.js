// expect: failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Intl.PluralRules('x'.repeat(1e7))
    )
  },
};
