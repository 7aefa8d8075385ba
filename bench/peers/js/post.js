// Reads a JSON body and answers with a part of it.
export default {
  async fetch(request) {
    const body = await request.json();
    return Response.json({ hello: body.name, at: request.method, items: body.items.length });
  },
};
