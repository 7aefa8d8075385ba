// expect: timeout exceeded_wall_time or completed, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    [...Array(3e6).keys()].sort(()=>Math.random()-.5).length
    )
  },
};
