// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    for (const k of Reflect.ownKeys(globalThis)) { try { delete globalThis[k]; } catch {} } return 1;
  },
};
