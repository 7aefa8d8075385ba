// expect: timeout exceeded_cpu, within 2 s, limit 60 s, cpu 200 ms
// With max_cpu_time_ms of 200.
export default {
  async run(input, env, ctx) {
    for (;;);
  },
};
