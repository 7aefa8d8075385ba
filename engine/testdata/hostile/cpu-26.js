// expect: failed exceeded_memory or completed, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    JSON.stringify(Array(5e6).fill({a:1})).length
    )
  },
};
