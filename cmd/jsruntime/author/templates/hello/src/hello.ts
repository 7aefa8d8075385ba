import type { Context, Env, Handlers } from "jsruntime";

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    console.log("asked by", request.headers.get("user-agent"));
    return Response.json({ hello: ctx.params.name });
  },
} satisfies Handlers;
