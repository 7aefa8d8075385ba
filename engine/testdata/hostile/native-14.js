// expect: failed exception or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let b=new ArrayBuffer(1);for(;;)b=b.transfer(b.byteLength*2)
  },
};
