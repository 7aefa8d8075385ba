import assert from "node:assert/strict";
import { test } from "node:test";
import { total } from "../src/tax.ts";

test("adds the tax of the country", () => {
  assert.equal(total([{ price: 10, quantity: 2 }], "de"), 23.8);
  assert.equal(total([{ price: 10, quantity: 2 }], "xx"), 20);
});
