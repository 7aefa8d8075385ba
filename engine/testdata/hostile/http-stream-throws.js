// expect: failed exception, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response(new ReadableStream({ pull() { throw new Error('pull'); } }));
  },
};
