// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    let p={};for(let i=0;i<1e5;i++)p=new Proxy(p,{});return p.x
  },
};
