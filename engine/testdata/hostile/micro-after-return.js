// expect: timeout exceeded_wall_time, within 2 s
// The value is there, but the microtasks never end.
export default {
  async run(input, env, ctx) {
    const f = () => Promise.resolve().then(f); f(); return 1;
  },
};
