// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    env.KEY = 'x'; return Object.isFrozen(env);
  },
};
