// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    let a=[];for(;;)a.push(new Intl.DateTimeFormat('en',{timeZone:'UTC'}))
  },
};
