// expect: failed exceeded_memory or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    const a = []; for (let i = 0; ; i++) a.push(new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', minimumFractionDigits: i % 20, maximumFractionDigits: 20 }));
  },
};
