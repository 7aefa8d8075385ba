// expect: failed output_too_large, within 2 s
// Fewer characters than the limit, more bytes.
export default {
  async run(input, env, ctx) {
    return '\u00e9'.repeat(600000);
  },
};
