// expect: completed or failed exceeded_memory, within 5 s
// A script may catch the refused allocation.
export default {
  async run(input, env, ctx) {
    const a = []; try { for (;;) a.push(new Uint8Array(1e7).fill(1)); } catch (e) { a.length = 0; return String(e.name); }
  },
};
