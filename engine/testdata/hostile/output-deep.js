// expect: failed invalid_output, within 2 s
export default {
  async run(input, env, ctx) {
    let a = []; for (let i = 0; i < 5000; i++) a = [a]; return a;
  },
};
