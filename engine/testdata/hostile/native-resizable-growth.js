// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    const b = new ArrayBuffer(0, { maxByteLength: 2 ** 30 }); for (let n = 1; ; n *= 2) { b.resize(n); new Uint8Array(b).fill(1); }
  },
};
