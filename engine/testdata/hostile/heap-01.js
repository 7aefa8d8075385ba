// expect: failed exceeded_memory, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    let a=[];for(;;)a.push({})
  },
};
