// http: GET /t/demo/hello/:name
export default {
  async fetch(request: Request, env: Record<string, string>, ctx: any): Promise<Response> {
    return Response.json({ hello: ctx.params.name, via: new URL(request.url).pathname });
  },
};
