import { events, kv, type Context, type Handlers } from "jsruntime";

export default {
  async fetch(_request: Request, env: { GREETING: string }, ctx: Context): Promise<Response> {
    const name = ctx.params["name"];
    const times = await kv.increment(`greeted:${name}`);
    if (times === 1) await events.publish("user.created", { name });
    return Response.json({ [env.GREETING]: name, times });
  },
} satisfies Handlers<{ GREETING: string } & Record<string, string>>;
