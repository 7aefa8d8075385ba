import axios, { AxiosError } from "axios";
export default { async run() {
  const client = axios.create({ baseURL: "http://api.test/v1", headers: { "X-A": "1" }, adapter: async (config) => ({ data: JSON.stringify({ url: axios.getUri(config), method: config.method, a: config.headers.get("X-A"), body: config.data }), status: 200, statusText: "OK", headers: {}, config }) });
  const got = await client.post("/things", { n: 1 }, { params: { q: "a b" } });
  return [got.status, got.data, new AxiosError("m", "CODE").code];
} };
