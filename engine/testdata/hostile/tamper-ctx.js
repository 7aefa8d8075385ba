// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    ctx.limits && (() => { try { ctx.limits.max_memory_bytes = 1e12; } catch {} })(); ctx.tenantId = 'other'; ctx.executionId = null; ctx.waitUntil = null; return typeof ctx.limits;
  },
};
