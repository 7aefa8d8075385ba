// expect: failed exception or failed invalid_output, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response(new ReadableStream({ start(c) { c.enqueue({}); c.close(); } }));
  },
};
