// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    for(let i=0;i<1e5;i++)Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)),0,0,1e9);
    return 1;
  },
};
