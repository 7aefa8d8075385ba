// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    try { throw new Error('a'); } finally { throw new Error('b'); }
  },
};
