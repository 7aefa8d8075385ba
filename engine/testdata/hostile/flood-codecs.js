// expect: completed or failed exceeded_memory or failed exception or failed unsettled or timeout exceeded_wall_time, within 3 s
export default {
  async run(input, env, ctx) {
    const all = [], part = new Uint8Array(40000);
    for (let i = 0; i < 1e5; i++) {
      const c = i % 2 === 0 ? new CompressionStream('gzip') : new DecompressionStream('deflate-raw');
      const w = c.writable.getWriter(), r = c.readable.getReader();
      w.write(part).catch(() => {});
      r.read().catch(() => {});
      all.push(c, w, r);
      if (i % 100 === 0) await null;
    }
    return all.length;
  },
};
