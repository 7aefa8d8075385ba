// expect: failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    throw new Proxy(new Error('x'), { get(t, k) { if (k === 'stack') throw 1; return Reflect.get(t, k); } });
  },
};
