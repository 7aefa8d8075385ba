// expect: failed output_too_large or timeout exceeded_wall_time or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Proxy([],{get(t,k){return k==='length'?2**32-1:1}})
    )
  },
};
