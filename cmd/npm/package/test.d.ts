/** A script of createTestRuntime: the API's own fields, and its source or its file. */
export interface TestScript {
  type?: "http" | "scheduled" | "event" | "oneoff" | "embedded";
  /** TypeScript or JavaScript. */
  source?: string;
  /** A file, with what it imports. */
  main?: string;
  http_path?: string;
  http_methods?: string[];
  cron_expression?: string;
  timezone?: string;
  event_types?: string[];
  resource_limits?: Record<string, number>;
  [field: string]: unknown;
}

export interface TestOptions {
  /** Scripts by name. Without them the project of dir is run. */
  scripts?: Record<string, TestScript>;
  /** The project's folder; the current one if absent. */
  dir?: string;
  /** An environment of the project. */
  env?: string;
  /** Plain values on env, with scripts. */
  vars?: Record<string, unknown>;
  secrets?: Record<string, string>;
  /** Hosts and CIDRs that scripts may fetch although they are not public, such as 127.0.0.1. */
  fetchAllow?: string[];
  /** The program; else JSRUNTIME_BIN, the package's own, or the one on PATH. */
  binary?: string;
  /** Milliseconds until the node must be ready; 120,000 if absent. */
  timeout?: number;
}

export interface Execution {
  id: string;
  script: string;
  status: "completed" | "failed" | "timeout" | "cancelled";
  output: any;
  error?: string;
  errorCode?: string;
  /** In places of the sources. */
  stack?: string;
  logs: { level: "debug" | "info" | "warn" | "error"; message: string }[];
}

export declare class ScriptFailedError extends Error {
  readonly execution: Execution;
  readonly code?: string;
}

export interface TestRuntime {
  readonly url: string;
  readonly tenant: string;
  /** Opens the admin API. */
  readonly key: string;
  /** Calls an endpoint of an HTTP script. path begins with /. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Runs a script and returns its output. Throws a ScriptFailedError where it fails. */
  run<T = any>(name: string, input?: unknown): Promise<T>;
  /** Runs a script and says how that ended. */
  execute(name: string, input?: unknown): Promise<Execution>;
  /** Publishes an event, waits until the scripts that take it have ended, and says how. */
  publish(type: string, data?: unknown): Promise<Execution[]>;
  secret(name: string, value: string): Promise<void>;
  kv: { get<T = any>(key: string): Promise<T | null>; put(key: string, value: unknown): Promise<void>; delete(key: string): Promise<void> };
  /** Calls the admin API below /api/v1. */
  api<T = any>(method: string, path: string, body?: unknown): Promise<T>;
  close(): Promise<void>;
}

/** Starts a node with scripts. It needs Linux, and Postgres's programs on the machine (they are downloaded where they are missing). */
export declare function createTestRuntime(options?: TestOptions): Promise<TestRuntime>;
