// expect: failed exceeded_memory or completed, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    return (
    JSON.stringify(Array(5e6).fill({a:1})).length
    )
  },
};
