// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    let it=[1,2,3].values();it.map(x=>{for(;;);}).next()
  },
};
