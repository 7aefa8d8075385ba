// The admin API, as the console uses it: typed calls by the name of the operation, and who is signed in. There is no key here: the browser
// holds a session cookie that no script can read, and this page the CSRF token of the session, for as long as the page lives.
//
//   const e = await call("GET /executions/{id}", { path: { id } });
//   await call("PATCH /scripts/{id}", { path: { id }, body: { status: "paused" }, ifMatch: etag });
//   may("POST /executions/{id}/replay")   // show the button?

import { access, type Operations, type Problem, type Session } from "./schema";
export type * from "./schema";

export type Operation = keyof Operations;
export type Answer<K extends Operation> = Operations[K]["answer"];

type Part<Name extends string, T> = {} extends T ? { [n in Name]?: T } : { [n in Name]: T };
type Given<K extends Operation> = Part<"path", Operations[K]["path"]> &
  { query?: Operations[K]["query"]; signal?: AbortSignal; ifMatch?: string | null | undefined; headers?: Record<string, string> } &
  (Operations[K]["body"] extends undefined ? { body?: undefined } : undefined extends Operations[K]["body"] ? { body?: Operations[K]["body"] } : { body: Operations[K]["body"] });
/** What call takes beside the operation's name. */
export type Arguments<K extends Operation> = {} extends Given<K> ? [given?: Given<K>] : [given: Given<K>];

/** An answer of the API that is not a success: a problem in the sense of RFC 9457. */
export class APIError extends Error {
  constructor(readonly status: number, readonly problem: Partial<Problem>) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
  }
  get code(): string { return this.problem.code ?? ""; }
  /** The faults by field: "body.http.path" to its messages. */
  get faults(): { location: string; message: string }[] {
    return (this.problem.errors ?? []).map((f) => ({ location: f.location ?? "", message: f.message ?? "" }));
  }
  /** The fault of one field of the body, if it has one. */
  fault(field: string): string | undefined {
    const at = this.faults.filter((f) => f.location === `body.${field}` || f.location === field || f.location.startsWith(`body.${field}.`) || f.location.startsWith(`body.${field}[`));
    return at.length ? at.map((f) => f.message).join("; ") : undefined;
  }
}

// A value that becomes a segment of a path is checked, wherever it came from: the address bar is anybody's, and so is much of what the
// API answers. Everything that a check does not know is refused.
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const slug = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const checks: Record<string, (v: string) => boolean> = {
  id: (v) => uuid.test(v) || /^\d{1,15}$/.test(v),
  delivery: (v) => uuid.test(v),
  version: (v) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(v),
  tenant: (v) => uuid.test(v) || slug.test(v),
  name: (v) => v.length <= 255 && !/^\.{1,2}$/.test(v),
  key: (v) => v.length <= 1024 && !/^\.{1,2}$/.test(v),
};

export const isID = (value: string | undefined): value is string => value !== undefined && uuid.test(value);

function addressOf(template: string, path: Record<string, unknown>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(path[name] ?? "");
    if (value === "" || !checks[name]?.(value)) throw new Error("This address names no object.");
    return encodeURIComponent(value);
  });
}

export function queryOf(query: object | undefined): string {
  const entries = Object.entries(query ?? {}).filter(([, v]) => v !== "" && v !== null && v !== undefined && v !== false).map(([k, v]) => [k, String(v)]);
  return entries.length ? `?${new URLSearchParams(entries as [string, string][])}` : "";
}

// ---- the session

let me: Session | null = null;
// The session has ended under a page: the page stays as it is, with what was typed, and asks nothing until the person has signed in again.
let over = false;
let generation = 0;
const watchers = new Set<() => void>();
const changed = () => { for (const w of watchers) w(); };
/** onSession calls back whenever a session begins, ends or goes on. */
export function onSession(f: () => void): () => void {
  watchers.add(f);
  return () => watchers.delete(f);
}

export const session = {
  get me(): Session | null { return me; },
  /** The tenant that an operator has chosen; it is a name and no secret. */
  get chosen(): string { return sessionStorage.getItem("tenant") ?? ""; },
  get tenant(): string { return me?.tenant?.slug ?? ""; },
  get operator(): boolean { return me?.role === "superadmin"; },
  /** Why there is no session, for the sign-in page. */
  reason: "",
  /** over: me is who was signed in until the session ended. */
  get over(): boolean { return over; },
  /** generation counts the people who were signed in: what one has typed is not shown to the next. */
  get generation(): number { return generation; },

  /** read asks who is signed in. A tenant that was chosen before, and that is gone or is not this session's, is forgotten. */
  async read(): Promise<void> {
    let now: Session;
    try {
      now = await call("GET /session");
    } catch (e) {
      if (!(e instanceof APIError) || (e.status !== 403 && e.status !== 404) || !this.chosen) throw e;
      remember("");
      now = await call("GET /session");
    }
    if (me && (now.key.id !== me.key.id || now.role !== me.role || over && now.tenant?.slug !== me.tenant?.slug)) generation++;
    me = now;
    over = false;
    this.reason = "";
    changed();
  },
  /** choose makes an operator's requests speak about a tenant; "" about none. The tenant's audit log says so, or the tenant is not entered. */
  async choose(tenant: string): Promise<void> {
    if (tenant && tenant !== this.tenant) await call("POST /tenants/{tenant}/enter", { path: { tenant }, headers: { "X-Tenant": "" } });
    remember(tenant);
    await this.read();
  },
  /** signIn takes {key} or {link}; the key is sent this once and kept nowhere. */
  async signIn(credential: { key: string } | { link: string }, tenant = ""): Promise<void> {
    await call("POST /session", { body: credential, headers: { "X-Tenant": "" } });
    remember("");
    await this.read();
    if (!tenant || !this.operator) return;
    try {
      await this.choose(tenant);
    } catch (e) {
      if (!(e instanceof APIError) || e.status !== 404) throw e; // the link's tenant is gone
    }
  },
  async signOut(everywhere = false): Promise<void> {
    try {
      if (me) await call("DELETE /session", { query: everywhere ? { all: true } : {}, headers: { "X-Tenant": "" } });
    } finally {
      remember("");
      this.ended("");
    }
  },
  /** expire is for a session that the server does not know any more. */
  expire(reason: string): void {
    if (!me) { this.ended(reason); return; }
    if (over) return;
    over = true;
    this.reason = reason;
    changed();
  },
  /** ended forgets who was signed in, and what the pages show. */
  ended(reason: string): void {
    me = null;
    over = false;
    this.reason = reason;
    changed();
  },
};

function remember(tenant: string): void {
  if (slug.test(tenant)) sessionStorage.setItem("tenant", tenant);
  else sessionStorage.removeItem("tenant");
}

/** may reports whether the session may use an operation. A page shows no button that it may not. */
export function may(operation: Operation): boolean {
  if (!me) return false;
  const [permission, scope] = access[operation];
  if (permission === "public" || permission === "known") return true;
  if (permission !== "operate" && !me.tenant && !(permission === "manage" && me.role === "superadmin")) return false;
  if (me.role !== "custom") return permission === "manage" ? me.scopes.includes("admin") || me.role === "superadmin" : me.scopes.includes(permission);
  return scope !== "" && (me.scopes.includes(scope) || scope === "invoke:*" && me.scopes.some((s) => s.startsWith("invoke:") || s === "executions:run"));
}

// ---- requests

const ended = "Your session has ended.";

/** send makes a request of the API and of nothing else: the path must mean the same before and after the browser has resolved it, and no
 * redirect leads away. It is the one place that knows of CSRF tokens and tenants. */
export function send(method: string, where: string, init: { headers?: Record<string, string>; body?: string; signal?: AbortSignal | undefined } = {}): Promise<Response> {
  const target = new URL(`/api/v1${where}`, location.origin);
  if (target.origin !== location.origin || target.pathname + target.search !== `/api/v1${where}`) throw new Error("This address names no object.");
  if (over && where !== "/session") return Promise.reject(new APIError(401, { detail: ended, code: "unauthorized" }));
  const headers = new Headers({ "X-Tenant": session.chosen });
  if (me && !over && method !== "GET") headers.set("X-CSRF-Token", me.csrf_token);
  for (const [name, value] of Object.entries(init.headers ?? {})) headers.set(name, value);
  if (!headers.get("X-Tenant")) headers.delete("X-Tenant");
  return fetch(target, {
    method, mode: "same-origin", credentials: "same-origin", redirect: "error", referrerPolicy: "no-referrer", cache: "no-store", headers,
    ...(init.body === undefined ? {} : { body: init.body }), ...(init.signal ? { signal: init.signal } : {}),
  });
}

async function request(method: string, where: string, given: { body?: unknown; ifMatch?: string | null | undefined; headers?: Record<string, string>; signal?: AbortSignal | undefined }) {
  const headers: Record<string, string> = { ...given.headers };
  if (given.ifMatch) headers["If-Match"] = given.ifMatch;
  let body: string | undefined;
  if (given.body !== undefined) {
    headers["Content-Type"] ??= method === "PATCH" ? "application/merge-patch+json" : "application/json";
    body = JSON.stringify(given.body);
  }
  let response: Response;
  try {
    response = await send(method, where, { headers, signal: given.signal, ...(body === undefined ? {} : { body }) });
  } catch (e) {
    if (e instanceof TypeError) throw new APIError(0, { detail: "The server does not answer. Is the node running?", code: "unreachable" });
    throw e;
  }
  const text = await response.text();
  let value: unknown = text;
  try { value = text ? JSON.parse(text) : null; } catch { /* a diff is plain text */ }
  if (!response.ok) {
    const problem = new APIError(response.status, typeof value === "object" && value ? value as Problem : { detail: text });
    if (response.status === 401 && me && !(method === "POST" && where === "/session")) session.expire(ended);
    if (problem.code === "csrf_token_invalid") await session.read().catch(() => {});
    throw problem;
  }
  // A proxy that compresses answers may have made the tag a weak one, which matches nothing.
  return { value, etag: response.headers.get("ETag")?.replace(/^W\//, "") ?? null };
}

async function whole<K extends Operation>(operation: K, given: Given<K> | undefined): Promise<{ value: Answer<K>; etag: string | null }> {
  const [method = "", template = ""] = operation.split(" ");
  const g = (given ?? {}) as { path?: Record<string, unknown>; query?: object; body?: unknown; signal?: AbortSignal };
  return await request(method, addressOf(template, g.path ?? {}) + queryOf(g.query), g) as { value: Answer<K>; etag: string | null };
}

/** call makes a request by the operation's name and returns its answer; it throws an APIError for every answer but a success. */
export async function call<K extends Operation>(operation: K, ...given: Arguments<K>): Promise<Answer<K>> {
  return (await whole(operation, given[0])).value;
}

/** callWithETag is call for an object that is going to be changed: give its ETag as ifMatch with the change. */
export function callWithETag<K extends Operation>(operation: K, ...given: Arguments<K>): Promise<{ value: Answer<K>; etag: string | null }> {
  return whole(operation, given[0]);
}
