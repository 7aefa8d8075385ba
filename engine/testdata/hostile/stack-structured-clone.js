// expect: failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return structuredClone(o) && 1;
  },
};
