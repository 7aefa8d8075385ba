// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    console.log({ toString() { return arguments.callee.caller; } }); return 1;
  },
};
