// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const e=new Error('x');e.cause=e;throw e
  },
};
