// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    throw new AggregateError(Array(1e6).fill(1),'m')
  },
};
