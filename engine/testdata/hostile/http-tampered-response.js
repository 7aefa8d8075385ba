// expect: completed or failed invalid_output or failed exception, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    Object.defineProperty(Response.prototype, 'status', { get() { for (;;); } }); Object.defineProperty(Response.prototype, 'headers', { get() { throw 1; } }); return new Response('x');
  },
};
