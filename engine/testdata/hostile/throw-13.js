// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    Error.prepareStackTrace=()=>{throw 1};throw new Error('orig')
  },
};
