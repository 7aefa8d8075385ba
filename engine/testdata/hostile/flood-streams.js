// expect: completed or failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (let i = 0; i < 1e5; i++) a.push(new ReadableStream({ pull(c) { c.enqueue(1); } })); return a.length;
  },
};
