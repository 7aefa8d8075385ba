// expect: failed exception or failed invalid_output or completed, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    const r = new Response('x'); await r.text(); return r;
  },
};
