// Types of jsruntime's scripts. Save it beside a script, or point "types" of tsconfig.json at it:
//
//   { "compilerOptions": { "target": "ES2022", "module": "ESNext", "moduleResolution": "Bundler", "lib": ["ES2023"], "strict": true,
//     "types": ["./jsruntime"] } }
//
// The globals are those of a script and no others: with "lib" as above, document, caches, WebAssembly and importScripts do not type-check.
// Where "lib" names DOM or WebWorker too, that library's globals count and these types add only what it lacks. new WebSocket() throws, so
// it has no constructor here. Of ECMAScript's own, SharedArrayBuffer, Atomics.wait, eval and new Function are not there in a script.
// Modules such as node:buffer have the types of @types/node: "types": ["node", "./jsruntime"].

declare module "jsruntime" {
  /** What JSON can hold. */
  export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined };

  /** The script's handlers. `export default { … } satisfies Handlers` checks them. */
  export interface Handlers<Secrets = Env, Input = any, Data = any> {
    /** Answers an HTTP request of one of the script's endpoints. */
    fetch?(request: Request, env: Secrets, ctx: Context): Response | Promise<Response>;
    /** Runs when a tick of the script's schedule falls due. What it returns (JSON) is the execution's output. */
    scheduled?(controller: ScheduledController, env: Secrets, ctx: Context): unknown;
    /** Runs for an event that one of the script's subscriptions matches. What it returns (JSON) is the execution's output. */
    event?(event: Event<Data>, env: Secrets, ctx: Context): unknown;
    /** Runs when a caller invokes the script: JSON in, JSON out. */
    run?(input: Input, env: Secrets, ctx: Context): unknown;
  }

  /**
   * The tenant's vars and secrets by name. Of the secrets, those for all scripts, and those for this one. A secret with hosts is a placeholder here, in whose place the
   * node puts the value in headers of requests to these hosts, also in `Basic ${btoa("user:" + env.NAME)}`. A request that has it elsewhere
   * rejects with a TypeError whose code is "secret_refused".
   */
  export interface Env {
    readonly [name: string]: string;
  }

  export interface Context {
    readonly executionId: string;
    readonly tenantId: string;
    readonly tenantSlug: string;
    readonly organizationId: string;
    readonly scriptId: string;
    readonly scriptName: string;
    readonly version: number;
    readonly trigger: "cron" | "http" | "event" | "manual" | "api";
    /** 1 for the first attempt. */
    readonly attempt: number;
    /** The parameters of the endpoint's path, `{}` where there is none. */
    readonly params: Readonly<Record<string, string>>;
    /** The claims of the token that an endpoint with auth of type jwt has checked; null for everything else. */
    readonly auth: Readonly<Record<string, any>> | null;
    /**
     * Aborted, with the reason, when the execution is cancelled, when its client leaves and no work of waitUntil is left, or when it runs
     * out of time. Then the response's stream is cancelled too, and there is a second to clean up (none after a time limit).
     */
    readonly signal: AbortSignal;
    readonly limits: Limits;
    /** What of them the execution has used so far. Throws once it has ended. */
    readonly usage: Usage;
    /** Milliseconds until max_execution_time_ms. */
    remainingTimeMs(): number;
    /**
     * Keeps the execution going until promise settles, within its limits. The client has its whole response before, and may leave. A
     * rejection is logged and ends the execution as failed with error_code background_error; it does not change the response.
     */
    waitUntil(promise: Promise<unknown>): void;
    passThroughOnException(): void;
  }

  export interface Limits {
    /** Wall time of one execution. */
    readonly max_execution_time_ms: number;
    /** Memory of one execution. */
    readonly max_memory_bytes: number;
    /** Executions of the script at one time, over all nodes. */
    readonly max_concurrent_runs: number;
    /** Host calls (fetch, kv, events, scripts) of the script a minute, over all nodes. */
    readonly max_api_calls_per_minute: number;
    /** Size of the output or of the response's body. */
    readonly max_output_size_bytes: number;
    /** CPU time of one execution; none of its own by default. 0 where there is none. */
    readonly max_cpu_time_ms: number;
    /** Log of one execution; what is over it is cut. */
    readonly max_log_bytes: number;
    /** Body of a request to the script's endpoint, and any other input. */
    readonly max_request_body_bytes: number;
  }

  export interface Usage {
    readonly execution_time_ms: number;
    readonly cpu_time_ms: number;
    /** In V8's heap and in array buffers, of the script's all executions. */
    readonly memory_bytes: number;
    /** Calls of fetch, kv, events and scripts that this execution has made. max_api_calls_per_minute counts all executions of the script. */
    readonly api_calls: number;
    readonly log_bytes: number;
  }

  export interface ScheduledController {
    readonly cron: string;
    /** When the tick was due, in milliseconds since the epoch. */
    readonly scheduledTime: number;
    readonly timezone: string;
  }

  export interface Event<Data = any> {
    readonly id: string;
    /**
     * Types that begin with "jsruntime." are built-in events. "jsruntime.script.activated": a version of one of the tenant's scripts went live,
     * the subscriber's own included; its data is {script_id, name, type, version}. "jsruntime.rollout.reverted": a version that had a share of
     * the executions failed too often and was taken back; its data has also live_version, percent, runs, failures and reason.
     */
    readonly type: string;
    /** When it was published: ISO 8601. */
    readonly time: string;
    readonly data: Data;
    readonly attempt: number;
  }

  export interface KVPutOptions {
    /** Seconds until the key expires. */
    expirationTtl?: number;
    /** Of at most 1 KiB of JSON: lists show it. A write without it takes it away. */
    metadata?: Json | object;
  }

  export interface KVIncrementOptions {
    /** Seconds until the key expires, where it is made. */
    expirationTtl?: number;
  }

  export interface KVEntry<T = any, Metadata = any> {
    /** null where the key is missing or expired. */
    value: T | null;
    metadata: Metadata | null;
  }

  export interface KVListOptions {
    prefix?: string;
    /** At most 1000; 100 if absent. */
    limit?: number;
    /** Of the list before. */
    cursor?: string;
  }

  export interface KVList {
    keys: { name: string; /** Seconds since the epoch. */ expiration: number | null; /** Absent where the key has none. */ metadata?: any }[];
    /** False where cursor goes on. */
    complete: boolean;
    cursor?: string;
  }

  /**
   * Values that outlive an execution, shared by all scripts of the tenant. Every call counts against max_api_calls_per_minute and
   * may reject with a RateLimitError. A value is at most 64 KiB of JSON.
   */
  export const kv: {
    /** null where the key is missing or expired. */
    get<T = any>(key: string): Promise<T | null>;
    getWithMetadata<T = any, Metadata = any>(key: string): Promise<KVEntry<T, Metadata>>;
    put(key: string, value: Json | object, options?: KVPutOptions): Promise<void>;
    /**
     * Writes value where the key has the expected value, atomically, and says whether it did. null expects that the key is missing, or has
     * null. Values are equal where JSON.stringify gives the same text.
     */
    compareAndSet(key: string, expected: Json | object, value: Json | object, options?: KVPutOptions): Promise<boolean>;
    /** Whether there was one. */
    delete(key: string): Promise<boolean>;
    list(options?: KVListOptions): Promise<KVList>;
    /** Adds delta (1) to a number, atomically, and returns it. A missing key counts as 0; options are for where it is made. */
    increment(key: string, delta?: number, options?: KVIncrementOptions): Promise<number>;
  };

  export type KVNamespacePutOptions = { /** Seconds since the epoch. */ expiration?: number; /** Seconds from now. */ expirationTtl?: number; metadata?: any };
  export type KVNamespaceGetOptions<Type> = Type | { type: Type; /** Has no effect: every get reads what is there. */ cacheTtl?: number };
  export type KVNamespaceListResult<Metadata = any> = {
    keys: { name: string; expiration?: number; metadata?: Metadata }[]; cacheStatus: null;
  } & ({ list_complete: true } | { list_complete: false; cursor: string });

  /**
   * A member of env that the script's kv_namespaces names: Workers KV's methods over kv, for the keys that begin with the namespace's prefix.
   * Values are at most 64 KiB. `export default { … } satisfies Handlers<{ SHOP: KVNamespace }>` gives env its type.
   */
  export interface KVNamespace {
    get(key: string, options?: KVNamespaceGetOptions<"text"> | { cacheTtl?: number }): Promise<string | null>;
    get<T = any>(key: string, options: KVNamespaceGetOptions<"json">): Promise<T | null>;
    get(key: string, options: KVNamespaceGetOptions<"arrayBuffer">): Promise<ArrayBuffer | null>;
    get(key: string, options: KVNamespaceGetOptions<"stream">): Promise<ReadableStream | null>;
    get(keys: string[], options?: KVNamespaceGetOptions<"text">): Promise<Map<string, string | null>>;
    get<T = any>(keys: string[], options: KVNamespaceGetOptions<"json">): Promise<Map<string, T | null>>;
    getWithMetadata<Metadata = any>(key: string, options?: KVNamespaceGetOptions<"text">): Promise<{ value: string | null; metadata: Metadata | null; cacheStatus: null }>;
    getWithMetadata<T = any, Metadata = any>(key: string, options: KVNamespaceGetOptions<"json">): Promise<{ value: T | null; metadata: Metadata | null; cacheStatus: null }>;
    getWithMetadata<Metadata = any>(key: string, options: KVNamespaceGetOptions<"arrayBuffer">): Promise<{ value: ArrayBuffer | null; metadata: Metadata | null; cacheStatus: null }>;
    getWithMetadata<Metadata = any>(key: string, options: KVNamespaceGetOptions<"stream">): Promise<{ value: ReadableStream | null; metadata: Metadata | null; cacheStatus: null }>;
    put(key: string, value: string | ArrayBuffer | ArrayBufferView | ReadableStream, options?: KVNamespacePutOptions): Promise<void>;
    delete(key: string): Promise<void>;
    list<Metadata = any>(options?: { prefix?: string | null; limit?: number; cursor?: string | null }): Promise<KVNamespaceListResult<Metadata>>;
  }

  export interface PublishOptions {
    /** Publishing twice with one id publishes once. */
    id?: string;
    /** A whole number; not more than POST /events allows for deliver_at: 366 days. */
    delaySeconds?: number;
  }

  export interface Published {
    eventId: string;
    /** How many executions the event starts. */
    executions: number;
    /** Whether the id was published before. */
    duplicate: boolean;
  }

  export const events: {
    publish(type: string, data?: Json | object, options?: PublishOptions): Promise<Published>;
  };

  export const scripts: {
    /** Runs an embedded script of the same tenant and returns its output. Rejects with an Error named ScriptError where it fails. */
    invoke<T = any>(name: string, input?: Json | object): Promise<T>;
  };

  /** Lines of the execution's log. fields follow the message as JSON. */
  export const log: {
    debug(message: unknown, fields?: object): void;
    info(message: unknown, fields?: object): void;
    warn(message: unknown, fields?: object): void;
    error(message: unknown, fields?: object): void;
  };

  /** Thrown by a handler, it fails the execution for good: no retry. */
  export class NonRetryableError extends Error {
    constructor(message?: string, options?: ErrorOptions);
  }

  /** What calls reject with that exceed max_api_calls_per_minute, or 32 fetches at once. */
  export class RateLimitError extends Error {
    readonly code: "rate_limited" | "fetch_concurrency";
    /** Milliseconds after which it may go well. */
    readonly retryAfter: number;
  }
}

// The libraries of TypeScript have URLPattern from version 6 on. What follows merges with it: properties and constructors must be the same,
// to a word.

interface URLPatternComponentResult {
  input: string;
  groups: Record<string, string | undefined>;
}

interface URLPatternResult {
  inputs: (string | URLPatternInit)[];
  protocol: URLPatternComponentResult;
  username: URLPatternComponentResult;
  password: URLPatternComponentResult;
  hostname: URLPatternComponentResult;
  port: URLPatternComponentResult;
  pathname: URLPatternComponentResult;
  search: URLPatternComponentResult;
  hash: URLPatternComponentResult;
}

interface URLPatternInit {
  protocol?: string;
  username?: string;
  password?: string;
  hostname?: string;
  port?: string;
  pathname?: string;
  search?: string;
  hash?: string;
  baseURL?: string;
}

interface URLPatternOptions {
  ignoreCase?: boolean;
}

interface URLPattern {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
  readonly hash: string;
  readonly hasRegExpGroups: boolean;
  test(input?: string | URLPatternInit, baseURL?: string | URL): boolean;
  exec(input?: string | URLPatternInit, baseURL?: string | URL): URLPatternResult | null;
}

declare var URLPattern: {
  prototype: URLPattern;
  new (input: string | URLPatternInit, baseURL: string | URL, options?: URLPatternOptions): URLPattern;
  new (input?: string | URLPatternInit, options?: URLPatternOptions): URLPattern;
};

interface SubtleCrypto {
  /** Cloudflare's: whether two buffers of one length hold the same bytes, in a time that their content does not change. */
  timingSafeEqual(a: ArrayBuffer | ArrayBufferView, b: ArrayBuffer | ArrayBufferView): boolean;
}

interface MessagePort {
  onclose: ((this: MessagePort, event: Event) => any) | null;
}

/** That of node:async_hooks. A store goes with what is awaited and with callbacks; the next execution sees none. */
declare class AsyncLocalStorage<Store> {
  /** fn, bound to the stores of now. */
  static bind<F extends (...args: any[]) => any>(fn: F): F;
  /** A function that calls another with the stores of now. */
  static snapshot(): <Result, Args extends any[]>(fn: (...args: Args) => Result, ...args: Args) => Result;
  getStore(): Store | undefined;
  run<Result, Args extends any[]>(store: Store, callback: (...args: Args) => Result, ...args: Args): Result;
  exit<Result, Args extends any[]>(callback: (...args: Args) => Result, ...args: Args): Result;
  enterWith(store: Store): void;
  disable(): void;
}

declare function setImmediate<Args extends any[]>(callback: (...args: Args) => void, ...args: Args): number;
declare function clearImmediate(id: number | undefined): void;

/** Of the listeners, those of "unhandledrejection" and "error" are called. */
declare function addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
declare function removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;

interface Navigator extends JSRuntimeGlobals.Own<{ readonly userAgent: string; readonly language: string; readonly hardwareConcurrency: number }> {}
declare var navigator: typeof globalThis extends { onmessage: any; navigator: infer T } ? T : Navigator;

declare var self: typeof globalThis extends { onmessage: any; self: infer T } ? T : typeof globalThis;

/** Not there yet: new WebSocket() throws a NotSupportedError. */
declare var WebSocket: typeof globalThis extends { onmessage: any; WebSocket: infer T } ? T : {
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
};
