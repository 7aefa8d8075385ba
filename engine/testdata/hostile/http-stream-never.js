// expect: failed unsettled or timeout exceeded_wall_time, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    return new Response(new ReadableStream({ pull() { return new Promise(() => {}); } }));
  },
};
