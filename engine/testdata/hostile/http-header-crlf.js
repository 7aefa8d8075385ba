// expect: failed exception or failed invalid_output, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response('x', { headers: { 'x-a': 'a\r\nSet-Cookie: b=c' } });
  },
};
