// expect: failed invalid_output or failed exception, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response('x', { status: 0 });
  },
};
