// The admin API, as the console uses it: who is signed in, and requests. There is no key here: the browser holds a session cookie that no
// script can read, and this page the CSRF token of the session, for as long as the page lives.

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const slug = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

// id returns a value that may become a part of a path: an id, or the number of a version. Everything else is refused, wherever it came
// from: the address bar is anybody's, and so is much of what the API answers.
export function id(value) {
  if (typeof value === "string" && uuid.test(value)) return value;
  if (Number.isSafeInteger(value) && value >= 0) return String(value);
  throw new Error("This address names no object.");
}

// path makes a path of the API: path`/scripts/${id}/versions/${n}`.
export const path = (parts, ...ids) => String.raw({ raw: parts }, ...ids.map((v) => encodeURIComponent(id(v))));

export const query = (o) => {
  const entries = Object.entries(o).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  return entries.length ? `?${new URLSearchParams(entries)}` : "";
};

export class APIError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
  get lines() {
    const errors = Array.isArray(this.problem.errors) ? this.problem.errors : [];
    return [this.message, ...errors.map((e) => `${e.location ?? ""}  ${e.message ?? ""}`)].join("\n");
  }
}

// session is who is signed in: null, or what GET /session says.
export const session = {
  me: null,
  // The tenant that an operator has chosen; it is a name and no secret.
  get chosen() { return sessionStorage.getItem("tenant") ?? ""; },
  get tenant() { return this.me?.tenant?.slug ?? ""; },
  may(scope) { return this.me?.scopes?.includes(scope) ?? false; },

  // read asks who is signed in. A tenant that was chosen before, and that is gone or is not this session's, is forgotten.
  async read() {
    try {
      this.me = await get("/session");
    } catch (e) {
      if ((e.status !== 403 && e.status !== 404) || !this.chosen) throw e;
      this.choose("");
      this.me = await get("/session");
    }
  },
  choose(tenant) {
    if (slug.test(tenant)) sessionStorage.setItem("tenant", tenant);
    else sessionStorage.removeItem("tenant");
  },
  // signIn takes {key} or {link}; the key is sent this once and kept nowhere.
  async signIn(credential, tenant = "") {
    await api("POST", "/session", credential, { "X-Tenant": "" });
    this.choose(tenant);
    await this.read();
  },
  async signOut(everywhere) {
    try {
      if (this.me) await api("DELETE", `/session${everywhere ? "?all=true" : ""}`, undefined, { "X-Tenant": "" });
    } finally {
      this.me = null;
      this.choose("");
    }
  },
};

function headers(method, more) {
  const all = new Headers({ "X-Tenant": session.chosen });
  if (session.me && method !== "GET") all.set("X-CSRF-Token", session.me.csrf_token);
  for (const [name, value] of Object.entries(more ?? {})) all.set(name, value);
  if (!all.get("X-Tenant")) all.delete("X-Tenant");
  return all;
}

// send makes a request of the API and of nothing else: the path must mean the same before and after the browser has resolved it, and
// no redirect leads away.
export function send(method, where, init = {}) {
  const target = new URL(`/api/v1${where}`, location.origin);
  if (target.origin !== location.origin || target.pathname + target.search !== `/api/v1${where}`) throw new Error("This address names no object.");
  return fetch(target, {
    method, mode: "same-origin", credentials: "same-origin", redirect: "error", referrerPolicy: "no-referrer", cache: "no-store", ...init, headers: headers(method, init.headers),
  });
}

// request makes a request and returns its answer with its ETag.
async function request(method, where, body, more) {
  const init = { headers: more };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json", ...more };
    init.body = JSON.stringify(body);
  }
  const resp = await send(method, where, init);
  const text = await resp.text();
  let value = text;
  try { value = text ? JSON.parse(text) : null; } catch { /* a diff is plain text */ }
  if (!resp.ok) throw new APIError(resp.status, typeof value === "object" && value ? value : { detail: text });
  // A proxy that compresses answers may have made the tag a weak one, which matches nothing.
  return { value, etag: resp.headers.get("ETag")?.replace(/^W\//, "") ?? null };
}

export const api = async (method, where, body, more) => (await request(method, where, body, more)).value;
export const get = (where) => api("GET", where);
export const getWithETag = (where) => request("GET", where);
