import ky from "ky";
export default { async run() {
  let calls = 0;
  const api = ky.create({ prefixUrl: "http://api.test", retry: { limit: 2, delay: () => 1 }, fetch: async (request) => { calls++; return calls < 2 ? new Response("busy", { status: 503 }) : Response.json({ url: request.url, body: await request.text(), type: request.headers.get("content-type") }); } });
  const put = await api.put("x", { json: { n: 1 }, searchParams: { a: "b c" } }).json();
  const failed = await ky("http://api.test/", { fetch: async () => new Response("no", { status: 404 }) }).catch((e) => [e.name, e.response.status]);
  return [put, calls, failed];
} };
