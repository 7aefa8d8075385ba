// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let c=[];for(;;)c.push((b=>()=>b)(new Array(1e4).fill(1)))
  },
};
