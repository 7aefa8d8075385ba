// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Uint8Array(2**30).sort().length
    )
  },
};
