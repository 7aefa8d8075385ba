// expect: completed, within 2 s, output 1
export default {
  async run(input, env, ctx) {
    const def = Object.defineProperty; for (const k of ['Promise', 'Map', 'JSON', 'Error', 'Object', 'Reflect', 'Uint8Array', 'WeakMap', 'Symbol']) def(globalThis, k, { get() { throw 1; }, configurable: true }); return 1;
  },
};
