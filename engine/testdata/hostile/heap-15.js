// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let a=new Array(5e7).fill(1);a.concat(a,a,a)
  },
};
