// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    eval('`'+'${`'.repeat(5e4)+'`}'.repeat(5e4)+'`')
    )
  },
};
