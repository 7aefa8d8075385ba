// expect: failed unsettled, within 2 s
export default {
  async run(input, env, ctx) {
    Promise.prototype.then=function(){return'pwn'};
    return ((async()=>1)());
  },
};
