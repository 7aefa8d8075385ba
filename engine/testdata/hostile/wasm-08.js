// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    let a=[];for(;;)a.push(new WebAssembly.Memory({initial:0,maximum:65536}))
  },
};
