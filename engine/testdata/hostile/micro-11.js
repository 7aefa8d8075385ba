// expect: failed exception, within 5 s
export default {
  async run(input, env, ctx) {
    return (
    Promise.any(Array(1e5).fill().map(()=>Promise.reject(new Error('x'))))
    )
  },
};
