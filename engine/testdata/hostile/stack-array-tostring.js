// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return String(a);
  },
};
