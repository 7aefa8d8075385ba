// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; ; i++) Symbol.for('k' + i);
  },
};
