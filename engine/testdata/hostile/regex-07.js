// expect: completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    'a'.repeat(2e5).replace(/a*?$/g,'').length
    )
  },
};
