import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRuntime, type TestRuntime } from "jsruntime/test";
import { tax } from "../src/tax";

let runtime: TestRuntime;

beforeAll(async () => {
  runtime = await createTestRuntime();
}, 180_000);
afterAll(() => runtime?.close(), 60_000);

test("a part of a script needs no node", () => {
  expect(tax(100)).toBe(119);
});

test("an endpoint counts whom it greets, and an event is taken", async () => {
  const first = await runtime.fetch("/greet/ada");
  expect(first.status).toBe(200);
  expect(await first.json()).toEqual({ hello: "ada", times: 1 });
  expect(await (await runtime.fetch("/greet/ada")).json()).toEqual({ hello: "ada", times: 2 });
  expect(await runtime.kv.get("greeted:ada")).toBe(2);
  const [welcome] = await runtime.publish("user.created", { name: "bob" });
  expect(welcome).toMatchObject({ script: "welcome", status: "completed", output: "welcome, bob" });
});

test("a schedule's script can be run now", async () => {
  const execution = await runtime.execute("count");
  expect(execution.output).toEqual({ runs: 1 });
  expect(execution.logs[0]?.message).toMatch(/^due at \d{4}-/);
});

test("a throw has the stack of the sources", async () => {
  expect(await runtime.run("price", { net: 100 })).toEqual({ net: 100, gross: 119 });
  await expect(runtime.run("price", { net: -1 })).rejects.toMatchObject({ name: "ScriptFailedError", code: "exception", stack: expect.stringContaining("src/price.ts:5:") });
});
