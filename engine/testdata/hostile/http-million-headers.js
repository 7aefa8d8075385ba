// expect: completed or failed invalid_output or failed output_too_large or failed exceeded_memory or timeout exceeded_wall_time or failed exception, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    const h = new Headers(); for (let i = 0; i < 1e6; i++) h.append('x-' + i, 'v'); return new Response('x', { headers: h });
  },
};
