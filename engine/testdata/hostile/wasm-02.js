// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0]))+''
    )
  },
};
