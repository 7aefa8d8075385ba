// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; console.log(o); return 1;
  },
};
