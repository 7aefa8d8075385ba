// expect: completed or failed invalid_output, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response('x', { headers: { connection: 'close', 'transfer-encoding': 'chunked', 'content-length': '99', upgrade: 'h2c' } });
  },
};
