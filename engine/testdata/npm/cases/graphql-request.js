import { gql, GraphQLClient } from "graphql-request";
export default { async run() {
  const client = new GraphQLClient("http://api.test/graphql", { headers: { authorization: "x" }, fetch: async (url, init) => Response.json({ data: { url: String(url), asked: JSON.parse(init.body) } }) });
  const failing = new GraphQLClient("http://api.test/graphql", { fetch: async () => Response.json({ errors: [{ message: "no" }] }) });
  return [await client.request(gql`query Q($n: Int) { a(n: $n) }`, { n: 1 }), await failing.request("{ a }").catch((e) => e.response.errors)];
} };
