// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    while(1){try{while(1);}catch{}finally{continue}}
  },
};
