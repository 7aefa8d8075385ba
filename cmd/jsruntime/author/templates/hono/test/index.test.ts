import assert from "node:assert/strict";
import { test } from "node:test";
import app from "../src/index.ts";

test("says hello", async () => {
  const response = await app.request("/hello/you");
  assert.deepEqual(await response.json(), { hello: "you" });
});
