// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    await new Promise(() => { const f = () => setTimeout(f, 0); f(); });
  },
};
