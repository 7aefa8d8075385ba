// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    setTimeout(() => { Promise.reject(new Error('later')); }, 1); await new Promise((r) => setTimeout(r, 20)); return 1;
  },
};
