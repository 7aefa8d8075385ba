import { buildSchema, graphql, parse, print, validate } from "graphql";
const schema = buildSchema("type Query { hello(name: String!): String, list: [Int!]! }");
export default { async run() {
  const root = { hello: ({ name }) => "Hello " + name, list: async () => [1, 2] };
  return [await graphql({ schema, source: '{ hello(name: "Ada") list }', rootValue: root }), validate(schema, parse("{ nope }")).map((e) => e.message), print(parse("{a{b}}"))];
} };
