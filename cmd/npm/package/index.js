// The module "jsruntime" belongs to the runtime: in a script it is the real one. This one stands in its place where a script is imported by
// a test without a runtime. Logs go to the console; what needs a node throws.

const needsNode = (name) => () => {
  throw new Error(`${name} needs a running node: run the script by createTestRuntime() of "jsruntime/test"`);
};
const object = (name, ...methods) => Object.fromEntries(methods.map((method) => [method, needsNode(`${name}.${method}`)]));

export const kv = object("kv", "get", "getWithMetadata", "put", "compareAndSet", "delete", "list", "increment");
export const events = object("events", "publish");
export const scripts = object("scripts", "invoke");

const line = (level) => (message, fields) => (fields === undefined ? console[level](message) : console[level](message, fields));
export const log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };

export class NonRetryableError extends Error {
  name = "NonRetryableError";
}

export class RateLimitError extends Error {
  name = "RateLimitError";
  code = "rate_limited";
  retryAfter = 0;
}
