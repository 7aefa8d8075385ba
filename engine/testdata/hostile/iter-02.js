// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const[a]={[Symbol.iterator]:()=>({next(){return{}},return(){for(;;);}})};
    return 1;
  },
};
