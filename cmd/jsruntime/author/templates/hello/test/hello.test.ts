import assert from "node:assert/strict";
import { test } from "node:test";
import hello from "../src/hello.ts";

test("says hello", async () => {
  const ctx = { params: { name: "you" } } as unknown as Parameters<typeof hello.fetch>[2];
  const response = await hello.fetch(new Request("http://localhost/hello/you"), {}, ctx);
  assert.deepEqual(await response.json(), { hello: "you" });
});
