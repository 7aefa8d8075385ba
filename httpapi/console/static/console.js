// The console. Everything that comes from the API enters the page as a text node, never as markup.

const session = {
  get key() { return sessionStorage.getItem("key") ?? ""; },
  get tenant() { return sessionStorage.getItem("tenant") ?? ""; },
  set(key, tenant) { sessionStorage.setItem("key", key); sessionStorage.setItem("tenant", tenant); },
  clear() { sessionStorage.clear(); },
};
let me = null;

// h makes an element: h("td.right", {onclick}, "text", child, …). Null and false children are left out.
function h(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  const el = document.createElement(name);
  if (classes.length) el.className = classes.join(" ");
  if (rest[0] && typeof rest[0] === "object" && !(rest[0] instanceof Node) && !Array.isArray(rest[0])) {
    for (const [k, v] of Object.entries(rest.shift())) {
      if (k.startsWith("on")) el.addEventListener(k.slice(2), v);
      else if (v === true) el.setAttribute(k, "");
      else if (k === "value") el.value = v;
      else if (v !== false && v !== null && v !== undefined) el.setAttribute(k, v);
    }
  }
  for (const child of rest.flat(Infinity)) if (child !== null && child !== undefined && child !== false) el.append(child);
  return el;
}

class APIError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
  get lines() {
    return [this.message, ...(this.problem.errors ?? []).map((e) => `${e.location ?? ""}  ${e.message ?? ""}`)].join("\n");
  }
}

function headers(more) {
  const all = { Authorization: `Bearer ${session.key}`, ...more };
  if (session.tenant) all["X-Tenant"] = session.tenant;
  return all;
}

async function api(method, path, body, more) {
  const init = { method, headers: headers(more) };
  if (body !== undefined) {
    init.headers["Content-Type"] ??= "application/json";
    init.body = JSON.stringify(body);
  }
  const resp = await fetch(`/api/v1${path}`, init);
  const text = await resp.text();
  let value = text;
  try { value = text ? JSON.parse(text) : null; } catch { /* a diff is plain text */ }
  if (!resp.ok) throw new APIError(resp.status, typeof value === "object" && value ? value : { detail: text });
  return value;
}

const get = (path) => api("GET", path);
const query = (o) => {
  const entries = Object.entries(o).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  return entries.length ? `?${new URLSearchParams(entries)}` : "";
};

const time = (t) => (t ? h("time", { datetime: t, title: t }, new Date(t).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" })) : h("span.faint", "–"));
const ms = (n) => (n === undefined || n === null ? "–" : n < 10 ? `${n.toFixed(2)} ms` : n < 10000 ? `${Math.round(n)} ms` : `${(n / 1000).toFixed(1)} s`);
const bytes = (n) => (n === undefined || n === null ? "–" : n < 1024 ? `${n} B` : n < 1 << 20 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`);
const pretty = (v) => (v === undefined ? "" : JSON.stringify(v, null, 2));
const tones = { completed: "good", active: "good", failed: "bad", timeout: "bad", error: "bad", running: "warn", pending: "warn", paused: "warn", warn: "warn" };
const pill = (s) => h(`span.pill${tones[s] ? "." + tones[s] : ""}`, s ?? "–");

function toast(text) {
  const el = h("div.toast", { role: "status" }, text);
  document.body.append(el);
  setTimeout(() => el.remove(), 4000);
}

// act runs what a button does, with the button disabled and a failure shown.
const act = (fn) => async (event) => {
  const el = event.currentTarget;
  el.disabled = true;
  try { await fn(event); } catch (e) { toast(e.lines ?? e.message); } finally { el.disabled = false; }
};

function table(columns, rows, onRow) {
  if (!rows.length) return h("div.empty", "Nothing here yet.");
  return h("table",
    h("thead", h("tr", columns.map((c) => h(c.right ? "th.right" : "th", c.title)))),
    h("tbody", rows.map((row) => h(onRow ? "tr.link" : "tr",
      onRow ? { tabindex: 0, onclick: () => onRow(row), onkeydown: (e) => e.key === "Enter" && onRow(row) } : {},
      columns.map((c) => h(c.right ? "td.right" : "td", c.cell(row)))))));
}

// list shows a paged list of the API with a button for more.
async function list(path, params, columns, onRow) {
  const rows = [];
  const box = h("div.panel.flush");
  const more = h("button", { onclick: act(() => load()) }, "More");
  let cursor;
  async function load() {
    const page = await get(path + query({ limit: 50, ...params, cursor }));
    rows.push(...page.items);
    cursor = page.next_cursor;
    box.replaceChildren(table(columns, rows, onRow));
    more.hidden = !cursor;
  }
  await load();
  return h("div", box, more);
}

const failure = (e) => h("div.panel.error", { role: "alert" }, e.lines ?? e.message);

// ---- views: each returns an element, or a promise of one

const views = {
  async scripts(_, params) {
    const filter = (name, options) => h("select", { "aria-label": name, onchange: (e) => go("scripts", { ...params, [name]: e.target.value }) },
      ["", ...options].map((o) => h("option", { value: o, selected: (params[name] ?? "") === o }, o || `any ${name}`)));
    return h("div",
      h("div.bar", h("h1", "Scripts"),
        h("input", { type: "search", placeholder: "search", "aria-label": "search", value: params.search ?? "", onchange: (e) => go("scripts", { ...params, search: e.target.value }) }),
        filter("type", ["http", "scheduled", "event", "oneoff", "embedded"]), filter("status", ["draft", "active", "paused", "disabled", "archived"]),
        h("button.primary", { onclick: () => go("script/new") }, "New script")),
      await list("/scripts", params, [
        { title: "Name", cell: (s) => [h("div", s.name), h("div.faint", s.description ?? "")] },
        { title: "Type", cell: (s) => pill(s.type) },
        { title: "Trigger", cell: (s) => h("code", triggerOf(s)) },
        { title: "Status", cell: (s) => pill(s.status) },
        { title: "Version", right: true, cell: (s) => s.version },
        { title: "Changed", cell: (s) => time(s.updated_at) },
      ], (s) => go(`script/${s.id}`)));
  },

  async script([id]) {
    if (id === "new") return newScript();
    const script = await get(`/scripts/${id}`);
    return editScript(script);
  },

  async executions(_, params) {
    const filter = (name, options) => h("select", { "aria-label": name, onchange: (e) => go("executions", { ...params, [name]: e.target.value }) },
      ["", ...options].map((o) => h("option", { value: o, selected: (params[name] ?? "") === o }, o || `any ${name.replace("_", " ")}`)));
    return h("div",
      h("div.bar", h("h1", "Executions"), params.script_id && h("button", { onclick: () => go("executions") }, "All scripts"),
        filter("status", ["pending", "running", "completed", "failed", "timeout", "cancelled"]),
        filter("trigger_type", ["cron", "http", "event", "manual", "api"]),
        h("button", { onclick: () => render() }, "Refresh")),
      await list("/executions", params, executionColumns, (e) => go(`execution/${e.id}`)));
  },

  async execution([id]) {
    const [e, logs] = await Promise.all([get(`/executions/${id}`), get(`/executions/${id}/logs?limit=200`)]);
    const m = e.metrics ?? {};
    const open = e.status === "pending" || e.status === "running";
    return h("div",
      h("div.bar", h("h1", e.script_name ?? "Execution"), pill(e.status), e.error_code && pill(e.error_code),
        open && h("button.danger", { onclick: act(async () => { await api("POST", `/executions/${id}/cancel`); render(); }) }, "Cancel"),
        h("button", { onclick: act(async () => { const r = await api("POST", `/executions/${id}/replay`, {}); toast("Queued again."); go(`execution/${r.id}`); }) }, "Replay"),
        h("button", { onclick: () => go(`script/${e.script_id}`) }, "Script"), h("button", { onclick: () => render() }, "Refresh")),
      e.error && h("div.panel.error", h("pre", [errorText(e.error), e.error_stack].filter(Boolean).join("\n\n"))),
      h("div.columns",
        h("div",
          h("div.panel", h("h2", "Log"), logs.items.length ? logLines(logs.items) : h("div.faint", "It wrote nothing.")),
          h("div.panel", h("h2", "Output"), h("pre", pretty(e.output))),
          h("div.panel", h("h2", "Input"), h("pre", pretty(e.input)))),
        h("div.panel", h("dl",
          h("dt", "Trigger"), h("dd", e.trigger_type), h("dt", "Version"), h("dd", e.version), h("dt", "Attempt"), h("dd", e.attempt),
          h("dt", "Accepted"), h("dd", time(e.queued_at)), h("dt", "Began"), h("dd", time(e.started_at)), h("dt", "Ended"), h("dd", time(e.completed_at)),
          h("dt", "Duration"), h("dd", ms(m.duration_ms)), h("dt", "CPU"), h("dd", ms(m.cpu_ms)), h("dt", "Waited"), h("dd", ms(m.queue_ms)),
          h("dt", "Peak memory"), h("dd", bytes(m.peak_memory_bytes)), h("dt", "Calls"), h("dd", m.api_calls ?? "–"), h("dt", "Output"), h("dd", bytes(m.output_bytes)),
          h("dt", "Cold start"), h("dd", m.cold_start === undefined ? "–" : String(m.cold_start)), h("dt", "Id"), h("dd", h("code", e.id))))));
  },

  async schedules() {
    return h("div", h("div.bar", h("h1", "Schedules"), h("button", { onclick: () => render() }, "Refresh")),
      await list("/schedules", {}, [
        { title: "Script", cell: (s) => s.script_name ?? s.script_id },
        { title: "Cron", cell: (s) => h("code", s.cron_expression) },
        { title: "Zone", cell: (s) => s.timezone },
        { title: "Next", cell: (s) => time(s.next_run_at) },
        { title: "Last", cell: (s) => time(s.last_run_at) },
        { title: "Ended", cell: (s) => (s.is_running ? pill("running") : s.last_run_status ? pill(s.last_run_status) : h("span.faint", "–")) },
      ], (s) => s.script_id && go(`script/${s.script_id}`)));
  },

  async endpoints() {
    const [endpoints, subscriptions] = await Promise.all([
      list("/http-endpoints", {}, [
        { title: "Path", cell: (e) => h("code", e.http_path ?? e.path) },
        { title: "Methods", cell: (e) => (e.http_methods ?? e.methods ?? []).join(" ") },
        { title: "Script", cell: (e) => e.script_name ?? e.script_id },
      ], (e) => e.script_id && go(`script/${e.script_id}`)),
      list("/event-subscriptions", {}, [
        { title: "Event type", cell: (e) => h("code", e.event_type) },
        { title: "Script", cell: (e) => e.script_name ?? e.script_id },
      ], (e) => e.script_id && go(`script/${e.script_id}`)),
    ]);
    const type = h("input", { placeholder: "user.created", "aria-label": "event type" });
    const data = h("textarea", { rows: 4, "aria-label": "data" }, "{}");
    return h("div", h("div.bar", h("h1", "Endpoints and events")), h("h2", "Endpoints"), endpoints, h("h2", "Event subscriptions"), subscriptions,
      h("div.panel", h("h2", "Publish an event"), h("div.form", type, data, h("button", {
        onclick: act(async () => {
          const r = await api("POST", "/events", { type: type.value, data: JSON.parse(data.value) });
          toast(`Published: ${r.executions} execution(s).`);
        }),
      }, "Publish"))));
  },

  async "dead-letters"() {
    return h("div",
      h("div.bar", h("h1", "Dead letters"), h("button", {
        onclick: act(async () => { const r = await api("POST", "/dead-letters/retry", {}); toast(`${r.retried} under way again.`); render(); }),
      }, "Retry all")),
      await list("/dead-letters", {}, [
        { title: "Script", cell: (d) => d.script_name ?? d.script_id },
        { title: "Event", cell: (d) => h("code", d.event_type) },
        { title: "Error", cell: (d) => h("pre", errorText(d.error)) },
        { title: "Retries", right: true, cell: (d) => d.retry_count },
        { title: "Since", cell: (d) => time(d.created_at) },
        {
          title: "", cell: (d) => h("div.actions",
            h("button", { onclick: act(async (e) => { e.stopPropagation(); await api("POST", `/dead-letters/${d.id}/retry`); toast("Under way again."); render(); }) }, "Retry"),
            h("button.danger", { onclick: act(async (e) => { e.stopPropagation(); if (confirm("Delete this dead letter?")) { await api("DELETE", `/dead-letters/${d.id}`); render(); } }) }, "Delete")),
        },
      ]));
  },

  async logs(_, params) {
    const box = h("div.log");
    const state = h("span.faint", "connecting…");
    tail(params, state, (line) => {
      if (line.dropped) box.append(...logCells({ at: line.at, level: "warn", message: `${line.dropped} lines were left out` }));
      box.append(...logCells(line, line.script_name));
      while (box.childElementCount > 3000) box.firstElementChild.remove();
      if (follow.checked) scrollTo(0, document.body.scrollHeight);
    });
    const follow = h("input", { type: "checkbox", checked: true });
    return h("div", h("div.bar", h("h1", "Live log"), state, h("label", follow, " follow")), h("div.panel", box));
  },

  async keys() {
    const name = h("input", { placeholder: "name", "aria-label": "name" });
    const role = h("select", { "aria-label": "role" }, ["admin", "developer", "viewer"].map((r) => h("option", r)));
    const shown = h("div");
    return h("div", h("div.bar", h("h1", "Keys")),
      await list("/api-keys", {}, [
        { title: "Name", cell: (k) => k.name }, { title: "Role", cell: (k) => pill(k.role) }, { title: "Prefix", cell: (k) => h("code", k.prefix) },
        { title: "Made", cell: (k) => time(k.created_at) }, { title: "Used", cell: (k) => time(k.last_used_at) },
        { title: "", cell: (k) => h("button.danger", { onclick: act(async () => { if (confirm(`Delete the key ${k.name}?`)) { await api("DELETE", `/api-keys/${k.id}`); render(); } }) }, "Delete") },
      ]),
      h("div.panel", h("h2", "New key"), h("div.bar", name, role, h("button", {
        onclick: act(async () => {
          const k = await api("POST", "/api-keys", { name: name.value, role: role.value });
          shown.replaceChildren(h("p", "It is shown this once:"), h("pre", k.key));
        }),
      }, "Make")), shown));
  },
};

const executionColumns = [
  { title: "Script", cell: (e) => e.script_name ?? e.script_id },
  { title: "Status", cell: (e) => [pill(e.status), e.error_code ? h("span.faint", ` ${e.error_code}`) : null] },
  { title: "Trigger", cell: (e) => e.trigger_type },
  { title: "Version", right: true, cell: (e) => e.version },
  { title: "Duration", right: true, cell: (e) => ms(e.metrics?.duration_ms) },
  { title: "Accepted", cell: (e) => time(e.queued_at) },
];

const errorText = (e) => (typeof e === "string" ? e : e?.message ? [e.message, e.stack].filter(Boolean).join("\n\n") : pretty(e ?? ""));

function triggerOf(s) {
  if (s.type === "http") return `${(s.http_methods ?? []).join(" ")} ${s.http_path ?? ""}`;
  if (s.type === "scheduled") return `${s.cron_expression ?? ""} ${s.timezone && s.timezone !== "UTC" ? s.timezone : ""}`;
  return (s.event_types ?? []).join(" ");
}

function logCells(line, prefix) {
  const tone = { warn: ".warn", error: ".bad" }[line.level] ?? ".faint";
  return [h("span.faint", (line.at ?? "").slice(11, 23)), h(`span${tone}`, line.level), h("span", prefix ? h("span.faint", `${prefix}  `) : null, line.message)];
}
const logLines = (lines) => h("div.log", lines.flatMap((l) => logCells(l)));

// tail reads the log stream for as long as the view is shown. EventSource cannot send the key, so the stream is read by hand.
async function tail(params, state, onLine) {
  const shown = location.hash;
  const again = {}; // says with a reconnection that it is one
  while (location.hash === shown) {
    const abort = new AbortController();
    const leave = () => abort.abort();
    addEventListener("hashchange", leave, { once: true });
    try {
      const resp = await fetch(`/api/v1/logs/tail${query(params)}`, { headers: headers({ Accept: "text/event-stream", ...again }), signal: abort.signal });
      if (!resp.ok && resp.status !== 429) { state.textContent = `not available (${resp.status})`; return; }
      if (!resp.ok) throw new Error("too many streams"); // one of them may end
      state.textContent = "live";
      again["Last-Event-ID"] ??= "0";
      let rest = "";
      const decoder = new TextDecoder();
      for (const reader = resp.body.getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) break;
        const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const data = event.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
          again["Last-Event-ID"] = event.split("\n").find((l) => l.startsWith("id:"))?.slice(3).trim() ?? again["Last-Event-ID"];
          if (data) onLine(JSON.parse(data));
        }
      }
    } catch { /* the connection ended */ }
    if (location.hash !== shown) return;
    state.textContent = "reconnecting…";
    await new Promise((r) => setTimeout(r, 2000));
  }
}

function editor(text, onSave) {
  const numbers = h("div.numbers", { "aria-hidden": "true" });
  const area = h("textarea", { spellcheck: "false", autocapitalize: "off", "aria-label": "source", value: text });
  const count = () => { numbers.textContent = Array.from({ length: area.value.split("\n").length }, (_, i) => i + 1).join("\n"); };
  area.addEventListener("input", count);
  area.addEventListener("scroll", () => { numbers.scrollTop = area.scrollTop; });
  area.addEventListener("keydown", (e) => {
    if ((e.ctrlKey || e.metaKey) && e.key === "s") { e.preventDefault(); onSave?.(); }
    if (e.key === "Tab" && !e.shiftKey && !e.ctrlKey && !e.altKey) { e.preventDefault(); area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end"); count(); }
  });
  count();
  return { box: h("div.editor", numbers, area), area };
}

const samples = {
  http: 'export default {\n  async fetch(request: Request, env, ctx) {\n    return Response.json({ hello: "world" });\n  },\n};\n',
  scheduled: 'export default {\n  async scheduled(controller, env, ctx) {\n    console.log("tick", controller.cron);\n  },\n};\n',
  event: "export default {\n  async event(event, env, ctx) {\n    console.log(event.type, event.data);\n  },\n};\n",
  oneoff: "export default {\n  async run(input, env, ctx) {\n    return { input };\n  },\n};\n",
};
samples.embedded = samples.oneoff;

function newScript() {
  const name = h("input", { placeholder: "my-script" });
  const type = h("select", Object.keys(samples).map((t) => h("option", t)));
  const trigger = h("div.form");
  const path = h("input", { value: "/" });
  const methods = h("input", { value: "GET" });
  const cron = h("input", { value: "*/5 * * * *" });
  const zone = h("input", { value: "UTC" });
  const types = h("input", { placeholder: "user.created" });
  const wrong = h("div");
  const { box, area } = editor(samples.http);
  const show = () => {
    trigger.replaceChildren(...{
      http: [h("label", "Path, below /t/{tenant}", path), h("label", "Methods", methods)],
      scheduled: [h("label", "Cron expression", cron), h("label", "Time zone", zone)],
      event: [h("label", "Event types", types)],
    }[type.value] ?? []);
    if (Object.values(samples).includes(area.value)) { area.value = samples[type.value]; area.dispatchEvent(new Event("input")); }
  };
  type.addEventListener("change", show);
  show();
  const words = (v) => v.split(/[\s,]+/).filter(Boolean);
  const create = (status) => act(async () => {
    wrong.replaceChildren();
    const body = { name: name.value, type: type.value, source: area.value, status };
    if (type.value === "http") Object.assign(body, { http_path: path.value, http_methods: words(methods.value.toUpperCase()) });
    if (type.value === "scheduled") Object.assign(body, { cron_expression: cron.value, timezone: zone.value });
    if (type.value === "event") body.event_types = words(types.value);
    try { go(`script/${(await api("POST", "/scripts", body)).id}`); } catch (e) { wrong.replaceChildren(failure(e)); }
  });
  return h("div", h("div.bar", h("h1", "New script"), h("button", { onclick: create("draft") }, "Save as draft"), h("button.primary", { onclick: create("active") }, "Save and activate")),
    wrong, h("div.columns", box, h("div.panel", h("div.form", h("label", "Name", name), h("label", "Type", type), trigger))));
}

const moves = { draft: ["active"], active: ["paused", "disabled"], paused: ["active", "disabled"], disabled: ["active"], archived: ["draft"] };

async function editScript(script) {
  const wrong = h("div");
  const result = h("div");
  const save = async () => {
    wrong.replaceChildren();
    try {
      const saved = await api("PATCH", `/scripts/${script.id}`, { source: area.value }, { "Content-Type": "application/merge-patch+json" });
      toast(saved.version === script.version ? "Nothing changed." : `Saved as version ${saved.version}.`);
      render();
    } catch (e) { wrong.replaceChildren(failure(e)); }
  };
  const { box, area } = editor(script.source, save);
  const input = h("textarea", { rows: 4, "aria-label": "input" }, script.type === "http" ? '{"method": "GET", "path": "' + (script.http_path ?? "/") + '"}' : "null");
  const move = (status) => h("button", { onclick: act(async () => { await api("PATCH", `/scripts/${script.id}`, { status }, { "Content-Type": "application/merge-patch+json" }); render(); }) },
    { active: "Activate", paused: "Pause", disabled: "Disable", draft: "Back to draft" }[status]);
  const run = act(async () => {
    result.replaceChildren();
    const e = await api("POST", `/scripts/${script.id}/executions?wait=true`, { input: JSON.parse(input.value || "null") });
    const logs = await get(`/executions/${e.id}/logs?limit=200`).catch(() => ({ items: [] }));
    result.replaceChildren(h("div.panel", h("div.bar", pill(e.status), e.error_code && pill(e.error_code), h("span.faint", ms(e.metrics?.duration_ms)), h("a", { href: `#execution/${e.id}` }, "details")),
      e.error && h("pre", errorText(e.error)), h("pre", pretty(e.output)), logs.items.length ? logLines(logs.items) : null));
  });
  const [versions, executions] = await Promise.all([
    get(`/scripts/${script.id}/versions?limit=20`),
    list("/executions", { script_id: script.id, limit: 10 }, executionColumns.slice(1), (e) => go(`execution/${e.id}`)),
  ]);
  const limits = Object.entries(script.effective_limits ?? {});
  return h("div",
    h("div.bar", h("h1", script.name), pill(script.type), pill(script.status), h("span.faint", `version ${script.version}`),
      (moves[script.status] ?? []).map(move), h("button.primary", { onclick: act(save) }, "Save")),
    wrong,
    h("div.columns",
      h("div", box, h("div.bar"), h("h2", "Recent executions"), executions),
      h("div",
        h("div.panel", h("h2", "Run"), h("div.form", input, h("button", { onclick: run }, "Run now")), h("div.bar"), result),
        h("div.panel", h("h2", "Trigger"), h("code", triggerOf(script) || "called by hand, by API or by other scripts")),
        h("div.panel", h("h2", "Versions"), table([
          { title: "", cell: (v) => v.version_number },
          { title: "Change", cell: (v) => [time(v.created_at), h("div.faint", v.change_description ?? "")] },
          {
            title: "", cell: (v) => v.version_number === script.version ? h("span.faint", "now") : h("button", {
              onclick: act(async () => { await api("POST", `/scripts/${script.id}/versions/${v.version_number}/restore`, {}); render(); }),
            }, "Restore"),
          },
        ], versions.items)),
        h("div.panel", h("h2", "Limits"), h("dl", limits.map(([k, v]) => [h("dt", k), h("dd", v === null ? "–" : String(v))]))),
        h("div.panel", h("button.danger", {
          onclick: act(async () => { if (confirm(`Delete ${script.name} with its history?`)) { await api("DELETE", `/scripts/${script.id}`); go("scripts"); } }),
        }, "Delete script")))));
}

// ---- frame

const tabs = [["scripts", "Scripts"], ["executions", "Executions"], ["schedules", "Schedules"], ["endpoints", "Endpoints"], ["dead-letters", "Dead letters"], ["logs", "Live log"], ["keys", "Keys"]];

function go(view, params) {
  const next = `#${view}${params ? query(params) : ""}`;
  if (location.hash === next) render(); else location.hash = next;
}

function signIn(message) {
  const key = h("input", { type: "password", autocomplete: "off", placeholder: "jsr_…", required: true });
  const tenant = h("input", { placeholder: "only with an operator's key" });
  document.getElementById("app").replaceChildren(h("form.signin.panel.form", {
    onsubmit: async (e) => {
      e.preventDefault();
      session.set(key.value.trim(), tenant.value.trim());
      me = null;
      await start();
    },
  }, h("div.brand", h("img", { src: "icon.svg", alt: "" }), h("h1", "jsruntime")), message && h("div.error", message),
  h("label", "API key", key), h("label", "Tenant", tenant), h("button.primary", "Sign in"),
  h("div.faint", "The key stays in this tab and is forgotten when it is closed.")));
  key.focus();
}

let drawn = 0;
async function render() {
  const turn = ++drawn;
  const [path, search] = location.hash.slice(1).split("?");
  const [name, ...rest] = (path || "scripts").split("/");
  const tab = { script: "scripts", execution: "executions" }[name] ?? name;
  let body;
  try {
    body = await (views[name] ?? views.scripts)(rest, Object.fromEntries(new URLSearchParams(search)));
  } catch (e) {
    if (e.status === 401) { session.clear(); return signIn("The key is not valid any more."); }
    body = failure(e);
  }
  if (turn !== drawn) return;
  document.getElementById("app").replaceChildren(
    h("header", h("span.brand", h("img", { src: "icon.svg", alt: "" }), "jsruntime"),
      h("nav", tabs.map(([id, title]) => h("a", { href: `#${id}`, "aria-current": id === tab && "page" }, title))),
      h("span.faint", `${me?.tenant?.slug ?? session.tenant ?? ""} · ${me?.role ?? ""}`),
      h("button", { onclick: () => { session.clear(); me = null; signIn(); } }, "Sign out")),
    h("main", body));
}

async function start() {
  if (!session.key) return signIn();
  try {
    me = await get("/whoami");
  } catch (e) {
    session.clear();
    return signIn(e.status === 401 ? "That key is not known." : e.message);
  }
  if (!me.tenant && !session.tenant) return signIn("An operator's key needs a tenant.");
  await render();
}

addEventListener("hashchange", () => session.key && render());
start();
