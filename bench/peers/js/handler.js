// The endpoint that every peer serves: small JSON from the query string, in the form that Workers, Deno, Bun and jsruntime share.
export default {
  async fetch(request) {
    const name = new URL(request.url).searchParams.get("name") ?? "world";
    return Response.json({ hello: name, at: request.method });
  },
};
