// expect: timeout exceeded_wall_time or failed exception or failed exceeded_memory, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    BigInt('9'.repeat(3e7))>0n
    )
  },
};
