// http: GET /t/demo/hello/:name
import { kv, log } from "jsruntime";

export default {
  async fetch(request: Request, env: Record<string, string>, ctx: any): Promise<Response> {
    const name = ctx.params.name;
    const visits = await kv.increment(`visits:${name}`, 1);
    log.info("said hello", { name, visits });
    return Response.json({ hello: name, visits, via: new URL(request.url).pathname });
  },
};
