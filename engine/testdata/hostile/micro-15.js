// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    (async()=>{await {then(r){setTimeout?.(r)}}})()
    )
  },
};
