// expect: completed or failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    for (let i = 0; i < 100; i++) console.log('x'.repeat(1e6)); return 1;
  },
};
