// expect: failed exception or timeout exceeded_wall_time or failed invalid_output or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    let s = '['.repeat(5e6) + ']'.repeat(5e6); return JSON.parse(s).length;
  },
};
