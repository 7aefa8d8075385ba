// Every member that jsruntime.d.ts declares, used as an author would. TypeScript checks it; a test of cmd/jsruntime runs it and compares
// what it answers with what is declared.
import {
  events, kv, log, NonRetryableError, RateLimitError, scripts, type Context, type Env, type Event, type Handlers, type Json, type KVEntry, type KVIncrementOptions, type KVList, type KVListOptions,
  type KVPutOptions, type Limits, type Published, type PublishOptions, type ScheduledController, type Usage,
} from "jsruntime";
import * as jsruntime from "jsruntime";

type Shape = Record<string, string>;

/** The names of an object's properties, its classes' included, with the kind of each value. */
function shape(value: object): Shape {
  const out: Shape = {};
  for (let at: object | null = value; at !== null && at !== Object.prototype && at !== Function.prototype && at !== Error.prototype; at = Object.getPrototypeOf(at) as object | null) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === "constructor" || name in out) continue;
      const member = (value as Record<string, unknown>)[name];
      out[name] = member === null ? "null" : typeof member;
    }
  }
  return out;
}

function optionsOf(call: () => Promise<unknown>): Promise<string> {
  return call().then(() => "taken", (e: unknown) => (e instanceof TypeError ? e.message : `${e}`));
}

function context(ctx: Context): Json {
  const limits: Limits = ctx.limits, usage: Usage = ctx.usage;
  const numbers: number[] = [
    limits.max_execution_time_ms, limits.max_cpu_time_ms, limits.max_memory_bytes, limits.max_concurrent_runs, limits.max_api_calls_per_minute,
    limits.max_output_size_bytes, limits.max_log_bytes, limits.max_request_body_bytes, usage.execution_time_ms, usage.cpu_time_ms, usage.memory_bytes,
    usage.api_calls, usage.log_bytes, ctx.version, ctx.attempt, ctx.remainingTimeMs(),
  ];
  const texts: string[] = [ctx.executionId, ctx.tenantId, ctx.tenantSlug, ctx.organizationId, ctx.scriptId, ctx.scriptName, ctx.trigger];
  const trigger: "cron" | "http" | "event" | "manual" | "api" = ctx.trigger;
  const params: Readonly<Record<string, string>> = ctx.params;
  const auth: Readonly<Record<string, unknown>> | null = ctx.auth;
  const signal: AbortSignal = ctx.signal;
  ctx.waitUntil(Promise.resolve());
  ctx.passThroughOnException();
  return {
    trigger, numbers: numbers.every((n) => Number.isFinite(n)), texts: texts.every((t) => typeof t === "string"), params: { ...params }, auth: auth === null, aborted: signal.aborted,
    Context: shape(ctx), Limits: shape(limits), Usage: shape(usage),
  };
}

async function calls(): Promise<Json> {
  const put: KVPutOptions = { expirationTtl: 60, metadata: { tag: "a" } }, page: KVListOptions = { prefix: "every:", limit: 1 };
  const growing: KVIncrementOptions = { expirationTtl: 60 };
  await kv.put("every:a", { a: [1, "b", null, true] } satisfies Json, put);
  await kv.put("every:b", 1);
  const value = await kv.get<{ a: Json[] }>("every:a");
  const entry: KVEntry<{ a: Json[] }, { tag: string }> = await kv.getWithMetadata<{ a: Json[] }, { tag: string }>("every:a");
  const counted: number = await kv.increment("every:n", 2, growing);
  const list: KVList = await kv.list(page);
  const key = list.keys[0];
  const more: KVList = await kv.list({ ...page, cursor: list.cursor });
  const swapped: boolean = await kv.compareAndSet("every:b", 1, { b: 2 }, put);
  const deleted: boolean = await kv.delete("every:b");
  const publish: PublishOptions = { id: crypto.randomUUID(), delaySeconds: 86_400 };
  const published: Published = await events.publish("every.later", { a: 1 }, publish);
  const again: Published = await events.publish("every.later", { a: 1 }, publish);
  const doubled: number = await scripts.invoke<number>("doubles", { n: 21 });
  log.debug("debug", { n: 1 });
  log.info("info");
  log.warn("warn", {});
  log.error(new Error("error"));
  const first = published.eventId === again.eventId && published.executions === 0 && !published.duplicate && again.duplicate;
  return {
    value, counted, swapped, deleted, doubled, first, expires: key !== undefined && key.expiration !== null && key.expiration > 0, name: key?.name ?? null, complete: [list.complete, more.complete],
    jsruntime: shape(jsruntime), kv: shape(kv), events: shape(events), scripts: shape(scripts), log: shape(log), KVList: shape(list), keys: shape(key ?? {}), Published: shape(published),
    KVPutOptions: await optionsOf(() => kv.put("every:c", 1, { nope: 1 } as KVPutOptions)), KVListOptions: await optionsOf(() => kv.list({ nope: 1 } as KVListOptions)),
    PublishOptions: await optionsOf(() => events.publish("every.never", 1, { nope: 1 } as PublishOptions)), KVIncrementOptions: await optionsOf(() => kv.increment("every:n", 1, { nope: 1 } as KVIncrementOptions)), KVEntry: shape(entry), tag: entry.metadata?.tag ?? null, listed: key?.metadata?.tag ?? null,
  };
}

async function limited(): Promise<Json> {
  for (let i = 0; i < 1000; i++) {
    try {
      await kv.get("every:a");
    } catch (e) {
      if (!(e instanceof RateLimitError)) throw e;
      const code: "rate_limited" | "fetch_concurrency" = e.code;
      const after: number = e.retryAfter;
      return { code, after: after > 0, error: e instanceof Error, own: { code: typeof e.code, retryAfter: typeof e.retryAfter } };
    }
  }
  return null;
}

function globals(): Json {
  const init: URLPatternInit = { protocol: "https", username: "*", password: "*", hostname: "*.test", port: "", pathname: "/:id", search: "*", hash: "*" };
  const options: URLPatternOptions = { ignoreCase: true };
  const pattern: URLPattern = new URLPattern(init, options);
  const based = new URLPattern("/a", "https://a.test", options), other = new URLPattern({ pathname: "/a", baseURL: "https://a.test" });
  const parts: string[] = [pattern.protocol, pattern.username, pattern.password, pattern.hostname, pattern.port, pattern.pathname, pattern.search, pattern.hash];
  const result: URLPatternResult | null = pattern.exec("https://a.test/7?q#h");
  if (result === null) throw new NonRetryableError("no match", { cause: parts });
  const component: URLPatternComponentResult = result.pathname;
  const found = [result.protocol, result.username, result.password, result.hostname, result.port, result.search, result.hash].map((c) => c.input);
  const storage = new AsyncLocalStorage<{ id: number }>();
  const bound = storage.run({ id: 1 }, () => AsyncLocalStorage.bind((a: number): number => a + (storage.getStore()?.id ?? 0)));
  const snapshot = storage.run({ id: 2 }, () => AsyncLocalStorage.snapshot());
  const left: string = storage.run({ id: 3 }, (a: string) => storage.exit((b: string) => `${b}${storage.getStore() === undefined}`, a), "left ");
  const sums: number[] = [bound(1), snapshot((a: number) => a + (storage.getStore()?.id ?? 0), 1)];
  storage.enterWith({ id: 4 });
  const entered = storage.getStore()?.id ?? null;
  storage.disable();
  const channel = new MessageChannel(), port: MessagePort = channel.port1;
  port.onclose = null;
  clearImmediate(setImmediate((a: number) => a, 1));
  const equal: boolean = crypto.subtle.timingSafeEqual(new Uint8Array([1]), new Uint8Array([1]).buffer);
  return {
    parts, found, id: component.groups.id ?? null, input: component.input, inputs: result.inputs.length, groups: pattern.hasRegExpGroups, tests: [pattern.test("https://a.test/7"), based.test("/A", "https://a.test"), other.test(new URL("https://a.test/a").href)],
    stores: [...sums, left, entered, storage.getStore() ?? null], equal,
    URLPattern: shape(pattern), URLPatternResult: shape(result), URLPatternComponentResult: shape(component), AsyncLocalStorage: { ...shape(AsyncLocalStorage), ...shape(storage) },
    MessagePort: shape(port), SubtleCrypto: shape(crypto.subtle), setImmediate: typeof setImmediate, clearImmediate: typeof clearImmediate,
  };
}

export default {
  async fetch(request, env, ctx) {
    const secret: string | undefined = env["KEY"];
    return Response.json({ secret: secret ?? null, method: request.method, context: context(ctx), calls: await calls(), globals: globals() });
  },
  scheduled(controller: ScheduledController, _env: Env, ctx) {
    const due: number = controller.scheduledTime;
    return { cron: controller.cron, timezone: controller.timezone, due: due > 0, ScheduledController: shape(controller), context: context(ctx) };
  },
  event(event: Event<{ n: number }>, _env, ctx) {
    const texts: string[] = [event.id, event.type, event.time];
    return { texts: texts.length, n: event.data.n, attempt: event.attempt, Event: shape(event), context: context(ctx) };
  },
  async run(input: { limited?: boolean } | null, _env, ctx) {
    return input?.limited === true ? limited() : { context: context(ctx) };
  },
} satisfies Handlers<Env, { limited?: boolean } | null, { n: number }>;
