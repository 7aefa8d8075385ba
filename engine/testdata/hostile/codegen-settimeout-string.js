// expect: failed exception or completed, within 2 s
export default {
  async run(input, env, ctx) {
    await new Promise((r) => { setTimeout('globalThis.pwned = 1', 1); setTimeout(r, 20); }); if (globalThis.pwned) throw new Error('ran'); throw new Error('did not run');
  },
};
