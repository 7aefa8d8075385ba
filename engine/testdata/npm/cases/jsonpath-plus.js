import { JSONPath } from "jsonpath-plus";
export default { run() {
  const json = { store: { book: [{ price: 8, title: "A" }, { price: 12, title: "B" }] } };
  return [JSONPath({ path: "$..title", json }), JSONPath({ path: "$.store.book[?(@.price < 10)].title", json, eval: "safe" }), JSONPath({ path: "$.store.book[-1:].price", json })];
} };
