// expect: failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (;;) a.push(new Blob([new Uint8Array(5e6).fill(1)]));
  },
};
