// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    Array(1e4).fill().map(()=>Array(1e4).fill(0.5))
    )
  },
};
