// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new ArrayBuffer(8,{maxByteLength:2**36}).maxByteLength
    )
  },
};
