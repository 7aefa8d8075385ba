import assert from "node:assert/strict";
import { test } from "node:test";
import order from "../src/order.ts";

test("adds an order up", async () => {
  const event = { id: "e", type: "order.placed", time: "", attempt: 1, data: { id: "1", lines: [{ price: 5, quantity: 2 }] } };
  const output = await order.event(event, {}, {} as Parameters<typeof order.event>[2]);
  assert.deepEqual(output, { id: "1", total: 10 });
});
