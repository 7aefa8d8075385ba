// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    let m=new WebAssembly.Memory({initial:1});for(;;)m.grow(1000)
  },
};
