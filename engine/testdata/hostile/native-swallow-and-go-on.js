// expect: failed exceeded_memory or timeout exceeded_wall_time or completed, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (let i = 0; i < 1e6; i++) { try { a.push(new ArrayBuffer(1e6)); new Uint8Array(a.at(-1)).fill(1); } catch { i += 1000; } } return 1;
  },
};
