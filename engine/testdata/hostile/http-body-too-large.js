// expect: failed output_too_large, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response('x'.repeat(2 << 20));
  },
};
