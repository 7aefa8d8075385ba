// expect: failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 5 s
export default {
  async run(input, env, ctx) {
    const zeros = new Uint8Array(1 << 20);
    let n = 64;
    const bomb = await new Response(new ReadableStream({ pull(c) { if (n-- > 0) c.enqueue(zeros); else c.close(); } }).pipeThrough(new CompressionStream('gzip'))).bytes();
    const all = [];
    for (;;) all.push(await new Response(new Blob([bomb]).stream().pipeThrough(new DecompressionStream('gzip'))).bytes());
  },
};
