// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 1e5; i++) Promise.reject(i); return 1;
  },
};
