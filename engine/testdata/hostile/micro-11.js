// expect: failed exception, within 9 s, limit 8 s
export default {
  async run(input, env, ctx) {
    return (
    Promise.any(Array(1e5).fill().map(()=>Promise.reject(new Error('x'))))
    )
  },
};
