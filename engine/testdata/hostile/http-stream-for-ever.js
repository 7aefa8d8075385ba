// expect: failed output_too_large or timeout exceeded_wall_time or failed exceeded_memory, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }));
  },
};
