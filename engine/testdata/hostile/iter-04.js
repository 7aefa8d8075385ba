// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    new Set({[Symbol.iterator]:function*(){for(;;)yield{}}})
    )
  },
};
