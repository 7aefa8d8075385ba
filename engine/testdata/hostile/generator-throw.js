// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    const g = (function* () { try { yield 1; } catch { throw new Error('again'); } })(); g.next(); g.throw(new Error('x'));
  },
};
