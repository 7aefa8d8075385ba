// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    function f() { try { for (;;); } finally { return f(); } } return f();
  },
};
