// expect: timeout exceeded_wall_time or failed exceeded_memory, within 2 s
// The value is there, but the microtasks never end; each promise is resolved with the next, so all of them stay.
export default {
  async run(input, env, ctx) {
    const f = () => Promise.resolve().then(f); f(); return 1;
  },
};
