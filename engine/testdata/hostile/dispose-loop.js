// expect: timeout exceeded_wall_time or failed exception or failed boot_error, within 2 s
export default {
  async run(input, env, ctx) {
    const it = { [Symbol.iterator]() { return { next: () => ({ value: 1, done: false }), return() { for (;;); } }; } }; for (const x of it) break;
  },
};
