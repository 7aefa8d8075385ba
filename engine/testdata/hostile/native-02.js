// expect: failed exceeded_memory or failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    let a=[];for(;;)a.push(new Uint8Array(1e7).fill(1))
  },
};
