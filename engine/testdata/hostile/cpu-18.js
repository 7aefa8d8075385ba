// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0)
    )
  },
};
