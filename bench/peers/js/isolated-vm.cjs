// Node's HTTP server in front of one isolated-vm isolate with a memory limit and a timeout, the way its documentation uses it:
// strings in, a string out.
const http = require("node:http");
const ivm = require("isolated-vm");
const isolate = new ivm.Isolate({ memoryLimit: 64 });
const context = isolate.createContextSync();
context.evalSync(`globalThis.handle = function (method, url) {
  const q = url.indexOf("?");
  let name = "world";
  if (q >= 0) for (const pair of url.slice(q + 1).split("&")) if (pair.startsWith("name=")) name = decodeURIComponent(pair.slice(5));
  return JSON.stringify({ hello: name, at: method });
}`);
const handle = context.global.getSync("handle", { reference: true });
http
  .createServer(async (req, res) => {
    try {
      const body = await handle.apply(undefined, [req.method, req.url], { timeout: 30000 });
      res.writeHead(200, { "content-type": "application/json" }).end(body);
    } catch (e) {
      res.writeHead(500).end(String(e.message));
    }
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
