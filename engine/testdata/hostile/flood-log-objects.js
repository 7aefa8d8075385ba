// expect: completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const o = Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => ['k' + i, i])); for (let i = 0; i < 100; i++) console.log(o); return 1;
  },
};
