// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    Intl.supportedValuesOf('timeZone').length
    )
  },
};
