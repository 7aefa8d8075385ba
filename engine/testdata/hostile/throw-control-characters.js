// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    throw new Error('\u001b[31mred\r\nX-Injected: 1');
  },
};
