// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let a=[];for(;;)a.push(new ArrayBuffer(1,{maxByteLength:2**30}))
  },
};
