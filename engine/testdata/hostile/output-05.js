// expect: failed output_too_large or timeout exceeded_wall_time or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    let x={};for(let i=0;i<30;i++)x=[x,x];
    return (x);
  },
};
