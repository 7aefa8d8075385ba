// expect: failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    let n = 0; function f() { try { f(); } catch { n++; f(); } } f(); return n;
  },
};
