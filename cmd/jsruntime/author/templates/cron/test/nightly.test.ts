import assert from "node:assert/strict";
import { test } from "node:test";
import nightly from "../src/nightly.ts";

test("says when it was due", async () => {
  const controller = { cron: "0 3 * * *", scheduledTime: 0, timezone: "UTC" };
  const output = await nightly.scheduled(controller, {}, {} as Parameters<typeof nightly.scheduled>[2]);
  assert.deepEqual(output, { due: "1970-01-01T00:00:00.000Z" });
});
