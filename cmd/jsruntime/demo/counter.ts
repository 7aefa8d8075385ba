// http: GET or POST /t/demo/counter
import { kv, log } from "jsruntime";

export default {
  async fetch(request: Request): Promise<Response> {
    // A call of the runtime, like fetch and events: max_api_calls_per_minute counts it.
    const visits = await kv.increment("visits", 1);
    log.info("counted", { visits, method: request.method });
    return Response.json({ visits });
  },
};
