// expect: failed exception or failed invalid_output or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    let o = {}; for (let i = 0; i < 1e6; i++) o = { o }; return o;
  },
};
