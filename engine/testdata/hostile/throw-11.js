// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const e=new Error;Object.defineProperty(e,'stack',{get(){for(;;);}});throw e
  },
};
