// expect: completed, within 2 s, output [false,false]
export default {
  async run(input, env, ctx) {
    return [Object.getOwnPropertyNames(globalThis).includes('WebAssembly'), Reflect.ownKeys(globalThis).includes('SharedArrayBuffer')];
  },
};
