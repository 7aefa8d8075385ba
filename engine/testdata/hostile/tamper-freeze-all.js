// expect: completed, within 2 s, output [1]
export default {
  async run(input, env, ctx) {
    for (const k of Reflect.ownKeys(globalThis)) { const v = globalThis[k]; if (typeof v === 'function' && v.prototype) Object.freeze(v.prototype); } Object.freeze(Object.prototype); return [1];
  },
};
