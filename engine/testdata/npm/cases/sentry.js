import { captureException, createStackParser, createTransport, getClient, initAndBind, withScope } from "@sentry/core";
import { nodeStackLineParser, ServerRuntimeClient } from "@sentry/core/server";
export default { async run() {
  const sent = [];
  initAndBind(ServerRuntimeClient, { dsn: "http://k@sentry.test/1", integrations: [], stackParser: createStackParser(nodeStackLineParser()), transport: (o) => createTransport(o, async (r) => { sent.push(String(r.body).split("\n").filter((l) => l.includes("exception")).map((l) => JSON.parse(l).exception.values[0].value)[0]); return { statusCode: 200 }; }) });
  withScope((scope) => { scope.setTag("a", "b"); captureException(new Error("reported")); });
  await getClient().flush(1000);
  return sent;
} };
