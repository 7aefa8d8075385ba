// expect: timeout exceeded_wall_time, within 2 s, handler fetch
export default {
  async fetch(request, env, ctx) {
    for (;;); return new Response('x');
  },
};
