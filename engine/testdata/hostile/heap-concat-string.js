// expect: failed exceeded_memory or failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    let s = 'x'; for (;;) { s += s; if (s.length > 2 ** 28) { s = [...s.slice(0, 2 ** 24)].join(''); } }
  },
};
