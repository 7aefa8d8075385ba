// expect: completed, within 2 s, output ["undefined","undefined","undefined"]
export default {
  async run(input, env, ctx) {
    return [typeof Atomics.wait, typeof Atomics.waitAsync, typeof SharedArrayBuffer];
  },
};
