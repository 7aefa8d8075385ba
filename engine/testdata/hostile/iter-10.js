// expect: timeout exceeded_wall_time or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    Object.fromEntries(function*(){for(let i=0;;i++)yield[i,i]}())
    )
  },
};
