// expect: completed or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    const r = await Promise.allSettled(Array.from({ length: 1000 }, () => fetch('http://127.0.0.1:1/'))); return r.every((x) => x.status === 'rejected');
  },
};
