// expect: failed output_too_large, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response(new Uint8Array(2 << 20));
  },
};
