// Reads one key, which the first request writes.
import { kv } from "jsruntime";

export default {
  async fetch(request) {
    let name = await kv.get("name");
    if (name == null) {
      await kv.put("name", "bench");
      name = "bench";
    }
    return Response.json({ hello: name, at: request.method });
  },
};
