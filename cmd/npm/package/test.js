// Starts a node with scripts for tests: `jsruntime dev` on a free port, with a Postgres of its own in a temporary folder. The node ends
// with close(), and with this process, however it ends.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { findBinary } from "./binary.js";

export class ScriptFailedError extends Error {
  name = "ScriptFailedError";
  constructor(execution) {
    super(`${execution.script}: ${execution.error ?? execution.status}`);
    this.execution = execution;
    this.code = execution.errorCode;
    if (execution.stack) this.stack = `${this.name}: ${this.message}\n${execution.stack}`;
  }
}

export async function createTestRuntime(options = {}) {
  const folder = await mkdtemp(join(tmpdir(), "jsruntime-test-"));
  try {
    const project = options.scripts ? await writeProject(join(folder, "project"), options) : resolve(options.dir ?? ".");
    const args = ["dev", "--json", "--until-stdin-closes", "--no-watch", "--port=0", `--dir=${project}`, `--data-dir=${join(folder, "node")}`];
    if (options.env) args.push(`--env=${options.env}`);
    for (const host of options.fetchAllow ?? []) args.push(`--fetch-allow=${host}`);
    const started = await start(options.binary ?? findBinary(), args, options.timeout ?? 120_000);
    const runtime = new TestRuntime(started, folder);
    try {
      for (const [name, value] of Object.entries(options.secrets ?? {})) await runtime.secret(name, value);
    } catch (e) {
      await runtime.close();
      throw e;
    }
    return runtime;
  } catch (e) {
    await rm(folder, { recursive: true, force: true });
    throw e;
  }
}

/** Writes the scripts of options as a project. */
async function writeProject(dir, options) {
  const scripts = {};
  for (const [name, { source, main, ...fields }] of Object.entries(options.scripts)) {
    if (source === undefined && main === undefined) throw new TypeError(`scripts.${name}: source or main is required`);
    let entry = main;
    if (source !== undefined) {
      entry = `src/${name}.ts`;
      await mkdir(dirname(join(dir, entry)), { recursive: true });
      await writeFile(join(dir, entry), source);
    } else {
      // A file of the caller's, with the modules around it.
      entry = `src/${name}.ts`;
      await mkdir(dirname(join(dir, entry)), { recursive: true });
      const from = JSON.stringify(resolve(main));
      await writeFile(join(dir, entry), `export * from ${from};\nexport { default } from ${from};\n`);
    }
    scripts[name] = { type: "embedded", ...fields, main: entry };
  }
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "jsruntime.jsonc"), JSON.stringify({ name: "test", vars: options.vars ?? {}, scripts }));
  return dir;
}

function start(binary, args, timeout) {
  return new Promise((done, fail) => {
    const child = spawn(binary, args, { stdio: ["pipe", "pipe", "pipe"] });
    let text = "", problem = "";
    const timer = setTimeout(() => give(new Error(`the node was not ready within ${timeout} ms: ${text}`)), timeout);
    const give = (error) => {
      clearTimeout(timer);
      child.kill();
      fail(error);
    };
    const exited = new Promise((end) => child.on("exit", end));
    child.stdin.on("error", () => {}); // it has ended
    child.stderr.on("data", (chunk) => (text = (text + chunk).slice(-8192)));
    child.on("error", give);
    exited.then((code) => give(new Error(`jsruntime dev ended with ${code}: ${problem || text.trim()}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      let event;
      try {
        event = JSON.parse(line);
      } catch {
        problem += line; // an error over several lines
        return;
      }
      if (event.event === "error") problem = describe(event);
      if (event.event !== "ready") return;
      clearTimeout(timer);
      if (problem) give(new Error(problem));
      else done({ child, exited, ...event });
    });
  });
}

const describe = (event) => [event.message, ...(event.places ?? []).map((p) => `  ${p.file}:${p.line}:${p.column}: ${p.message}`)].join("\n");

class TestRuntime {
  #child;
  #exited;
  #folder;

  constructor({ child, exited, url, tenant, key }, folder) {
    this.#child = child;
    this.#exited = exited;
    this.#folder = folder;
    this.url = url;
    this.tenant = tenant;
    this.key = key;
  }

  /** Calls the admin API; returns the decoded answer. */
  async api(method, path, body) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, ...(body !== undefined && { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) {
      let problem = {};
      try {
        problem = JSON.parse(text);
      } catch {}
      throw Object.assign(new Error(`${method} ${path}: ${response.status} ${problem.detail ?? text}`), { status: response.status, code: problem.code });
    }
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Calls an endpoint of an HTTP script, as fetch does. path begins with /. */
  fetch(path, init) {
    return fetch(`${this.url}/t/${this.tenant}${path}`, init);
  }

  /** Runs a script and returns its output. Throws a ScriptFailedError where it fails. */
  async run(name, input) {
    const execution = await this.execute(name, input);
    if (execution.status !== "completed") throw new ScriptFailedError(execution);
    return execution.output;
  }

  /** Runs a script and says how that ended. */
  async execute(name, input) {
    const { items } = await this.api("GET", `/scripts?name=${encodeURIComponent(name)}&limit=1`);
    if (items.length === 0) throw new Error(`script ${name}: there is none of this name`);
    const made = await this.api("POST", `/scripts/${items[0].id}/executions?wait=true`, input === undefined ? {} : { input });
    return this.#ended(made.id ?? made.execution_id);
  }

  /** Publishes an event, waits until the scripts that take it have ended, and says how. */
  async publish(type, data) {
    const event = await this.api("POST", "/events", { type, data });
    for (;;) {
      const { items } = await this.api("GET", `/executions?event_id=${encodeURIComponent(event.event_id)}&limit=200`);
      const ended = items.filter((e) => !["pending", "running", "queued"].includes(e.status));
      if (ended.length >= event.executions) return Promise.all(ended.map((e) => this.#ended(e.id)));
      await new Promise((done) => setTimeout(done, 25));
    }
  }

  async #ended(id) {
    const e = await this.api("GET", `/executions/${id}`);
    const logs = await this.api("GET", `/executions/${id}/logs?limit=200`);
    return {
      id, script: e.script_name, status: e.status, output: e.output ?? null, error: e.error ?? undefined, errorCode: e.error_code ?? undefined,
      stack: e.error_stack ?? undefined, logs: logs.items.map(({ level, message }) => ({ level, message })),
    };
  }

  /** Sets a secret of env. */
  async secret(name, value) {
    await this.api("PUT", `/secrets/${encodeURIComponent(name)}`, { value });
  }

  kv = {
    get: async (key) => {
      try {
        return (await this.api("GET", `/kv/${encodeURIComponent(key)}`)).value;
      } catch (e) {
        if (e.status === 404) return null;
        throw e;
      }
    },
    put: async (key, value) => {
      await this.api("PUT", `/kv/${encodeURIComponent(key)}`, { value });
    },
    delete: async (key) => {
      await this.api("DELETE", `/kv/${encodeURIComponent(key)}`);
    },
  };

  /** Ends the node and removes what it kept. */
  async close() {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 30_000);
    await this.#exited;
    clearTimeout(timer);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.close();
  }
}
