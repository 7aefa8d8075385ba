// The console. Everything that comes from the API or from the address bar enters the page as a text node or as the value of a field, and
// becomes a part of a path only through path`` in api.js.

import { api, get, getWithETag, id, path, query, send, session } from "./api.js";

// h makes an element: h("td.right", { onclick }, "text", child, …). Null and false children are left out.
function h(tag, attributes, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [k, v] of Object.entries(attributes)) {
    if (k.startsWith("on")) element.addEventListener(k.slice(2), v);
    else if (k === "value") element.value = v;
    else if (v === true) element.setAttribute(k, "");
    else if (v !== false && v !== null && v !== undefined) element.setAttribute(k, v);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

// t makes an element without attributes: t("td", "text", child, …).
const t = (tag, ...children) => h(tag, {}, ...children);

const app = document.getElementById("app");
const text = (v) => (typeof v === "string" ? v : v === undefined || v === null ? "" : JSON.stringify(v));
const time = (at) => {
  const d = new Date(at);
  return at && !Number.isNaN(d.getTime()) ? h("time", { datetime: d.toISOString(), title: d.toISOString() }, d.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" })) : t("span.faint", "–");
};
const number = (n, f) => (typeof n === "number" ? f(n) : "–");
const ms = (n) => number(n, (v) => (v < 10 ? `${v.toFixed(2)} ms` : v < 10000 ? `${Math.round(v)} ms` : `${(v / 1000).toFixed(1)} s`));
const bytes = (n) => number(n, (v) => (v < 1024 ? `${v} B` : v < 1 << 20 ? `${(v / 1024).toFixed(1)} KiB` : `${(v / (1 << 20)).toFixed(1)} MiB`));
const pretty = (v) => (v === undefined ? "" : JSON.stringify(v, null, 2));
const tones = new Map(Object.entries({
  completed: ".good", active: ".good", failed: ".bad", timeout: ".bad", error: ".bad", running: ".warn", pending: ".warn", paused: ".warn", warn: ".warn",
}));
const pill = (s) => t(`span.pill${tones.get(s) ?? ""}`, s ?? "–");
const label = (name, field) => t("label", name, field);

function toast(message, shownMs = 4000) {
  const element = h("div.toast", { role: "status" }, message);
  document.body.append(element);
  setTimeout(() => element.remove(), shownMs);
}

// warn shows what the API warns of in a source that it has stored.
function warn(script) {
  if (script.warnings) toast(script.warnings.map((w) => t("div", `${w.location}: ${w.message}`)), 20000);
}

// act runs what a button does, with the button disabled and a failure shown.
const act = (fn) => async (event) => {
  const element = event.currentTarget;
  element.disabled = true;
  try {
    await fn(event);
  } catch (e) {
    if (e.status === 401) signIn("Your session has ended.");
    else if (e.problem?.code === "csrf_token_invalid") { toast("This browser was signed in anew meanwhile."); await start(); } else toast(e.lines ?? e.message);
  } finally { element.disabled = false; }
};
const button = (name, fn, kind = "") => h(`button${kind}`, { type: "button", onclick: act(fn) }, name);
// ask is act for what cannot be taken back.
const ask = (question, fn) => async (event) => { event.stopPropagation(); if (confirm(question)) await fn(event); };

function table(columns, rows, onRow) {
  if (!rows.length) return t("div.empty", "Nothing here yet.");
  return t("table",
    t("thead", t("tr", columns.map((c) => t(c.right ? "th.right" : "th", c.title)))),
    t("tbody", rows.map((row) => h(onRow ? "tr.link" : "tr",
      onRow ? { tabindex: 0, onclick: () => onRow(row), onkeydown: (e) => e.key === "Enter" && onRow(row) } : {},
      columns.map((c) => t(c.right ? "td.right" : "td", c.cell(row)))))));
}

// list shows a paged list of the API with a button for more.
async function list(where, params, columns, onRow) {
  const rows = [];
  const box = t("div.panel.flush");
  const more = button("More", () => load());
  let cursor;
  async function load() {
    const page = await get(where + query({ limit: 50, ...params, cursor }));
    rows.push(...page.items);
    cursor = page.next_cursor;
    box.replaceChildren(table(columns, rows, onRow));
    more.hidden = !cursor;
  }
  await load();
  return t("div", box, more);
}

const failure = (e) => h("div.panel.error", { role: "alert" }, e.lines ?? e.message);

// select is a filter of a list: it shows the list again with another parameter.
const select = (view, params, name, options) => h("select", { "aria-label": name, onchange: (e) => go(view, { ...params, [name]: e.target.value }) },
  ["", ...options].map((o) => h("option", { value: o, selected: (params[name] ?? "") === o }, o || `any ${name.replace("_", " ")}`)));
const only = (params, ...names) => Object.fromEntries(names.map((n) => [n, params[n]]));
const toScript = (s) => go(`script/${id(s.script_id)}`);

// ---- views: each returns an element, or a promise of one. It gets the rest of the fragment's path, and its parameters.

const views = new Map(Object.entries({
  async scripts(_, params) {
    params = only(params, "search", "type", "status", "tag");
    return t("div",
      t("div.bar", t("h1", "Scripts"),
        h("input", { type: "search", placeholder: "search", "aria-label": "search", value: params.search ?? "", onchange: (e) => go("scripts", { ...params, search: e.target.value }) }),
        select("scripts", params, "type", ["http", "scheduled", "event", "oneoff", "embedded"]), select("scripts", params, "status", ["draft", "active", "paused", "disabled", "archived"]),
        session.may("write") && button("New script", () => go("script/new"), ".primary")),
      await list("/scripts", params, [
        { title: "Name", cell: (s) => [t("div", s.name), t("div.faint", s.description)] },
        { title: "Type", cell: (s) => pill(s.type) },
        { title: "Trigger", cell: (s) => t("code", triggerOf(s)) },
        { title: "Status", cell: (s) => pill(s.status) },
        { title: "Version", right: true, cell: (s) => s.version },
        { title: "Changed", cell: (s) => time(s.updated_at) },
      ], (s) => go(`script/${id(s.id)}`)));
  },

  async script([which]) {
    if (which === "new" && session.may("write")) return newScript();
    const { value, etag } = await getWithETag(path`/scripts/${which}`);
    return editScript(value, etag);
  },

  async executions(_, params) {
    params = only(params, "script_id", "status", "trigger_type");
    return t("div",
      t("div.bar", t("h1", "Executions"), params.script_id && button("All scripts", () => go("executions")),
        select("executions", params, "status", ["pending", "running", "completed", "failed", "timeout", "cancelled"]),
        select("executions", params, "trigger_type", ["cron", "http", "event", "manual", "api"]),
        button("Refresh", () => render())),
      await list("/executions", params, executionColumns, (e) => go(`execution/${id(e.id)}`)));
  },

  async execution([which]) {
    const [e, logs] = await Promise.all([get(path`/executions/${which}`), get(path`/executions/${which}/logs` + query({ limit: 200 }))]);
    const m = e.metrics ?? {};
    const open = e.status === "pending" || e.status === "running";
    return t("div",
      t("div.bar", t("h1", e.script_name ?? "Execution"), pill(e.status), e.error_code && pill(e.error_code),
        open && session.may("execute") && button("Cancel", async () => { await api("POST", path`/executions/${which}/cancel`); render(); }, ".danger"),
        session.may("execute") && button("Replay", async () => { const r = await api("POST", path`/executions/${which}/replay`, {}); toast("Queued again."); go(`execution/${id(r.id)}`); }),
        button("Script", () => toScript(e)), button("Refresh", () => render())),
      e.error && t("div.panel.error", t("pre", [errorText(e.error), e.error_stack].filter(Boolean).join("\n\n"))),
      t("div.columns",
        t("div",
          t("div.panel", t("h2", "Log"), logs.items.length ? logLines(logs.items) : t("div.faint", open ? "It has written nothing yet." : "It wrote nothing.")),
          t("div.panel", t("h2", "Output"), t("pre", pretty(e.output))),
          t("div.panel", t("h2", "Input"), t("pre", pretty(e.input)))),
        t("div.panel", t("dl", Object.entries({
          Trigger: e.trigger_type, Version: e.version, Attempt: e.attempt, Accepted: time(e.queued_at), Began: time(e.started_at), Ended: time(e.completed_at),
          Duration: ms(m.duration_ms), CPU: ms(m.cpu_ms), Waited: ms(m.queue_ms), "Peak memory": bytes(m.peak_memory_bytes), Calls: m.api_calls ?? "–",
          Output: bytes(m.output_bytes), "Cold start": m.cold_start ?? "–", Id: t("code", e.id),
        }).map(([k, v]) => [t("dt", k), t("dd", v)])))));
  },

  async schedules() {
    return t("div", t("div.bar", t("h1", "Schedules"), button("Refresh", () => render())),
      await list("/schedules", {}, [
        { title: "Script", cell: (s) => s.script_name ?? s.script_id },
        { title: "Cron", cell: (s) => t("code", s.cron_expression) },
        { title: "Zone", cell: (s) => s.timezone },
        { title: "Next", cell: (s) => time(s.next_run_at) },
        { title: "Last", cell: (s) => time(s.last_run_at) },
        { title: "Ended", cell: (s) => (s.is_running ? pill("running") : s.last_run_status ? pill(s.last_run_status) : t("span.faint", "–")) },
      ], toScript));
  },

  async endpoints() {
    const [endpoints, subscriptions] = await Promise.all([
      list("/http-endpoints", {}, [
        { title: "Path", cell: (e) => t("code", e.http_path ?? e.path) },
        { title: "Methods", cell: (e) => (e.http_methods ?? e.methods ?? []).join(" ") },
        { title: "Script", cell: (e) => e.script_name ?? e.script_id },
      ], toScript),
      list("/event-subscriptions", {}, [
        { title: "Event type", cell: (e) => t("code", e.event_type) },
        { title: "Script", cell: (e) => e.script_name ?? e.script_id },
      ], toScript),
    ]);
    const type = h("input", { placeholder: "user.created", "aria-label": "event type" });
    const data = h("textarea", { rows: 4, "aria-label": "data" }, "{}");
    return t("div", t("div.bar", t("h1", "Endpoints and events")), t("h2", "Endpoints"), endpoints, t("h2", "Event subscriptions"), subscriptions,
      session.may("execute") && t("div.panel", t("h2", "Publish an event"), t("div.form", type, data, button("Publish", async () => {
        const r = await api("POST", "/events", { type: type.value, data: JSON.parse(data.value) });
        toast(`Published: ${r.executions} execution(s).`);
      }))));
  },

  async "dead-letters"() {
    return t("div",
      t("div.bar", t("h1", "Dead letters"), session.may("execute") && button("Retry all", ask("Retry all dead letters?", async () => {
        const r = await api("POST", "/dead-letters/retry", {});
        toast(`${r.retried} under way again.`);
        render();
      }))),
      await list("/dead-letters", {}, [
        { title: "Script", cell: (d) => d.script_name ?? d.script_id },
        { title: "Event", cell: (d) => t("code", d.event_type) },
        { title: "Error", cell: (d) => t("pre", errorText(d.error)) },
        { title: "Retries", right: true, cell: (d) => d.retry_count },
        { title: "Since", cell: (d) => time(d.created_at) },
        {
          title: "", cell: (d) => t("div.actions",
            session.may("execute") && button("Retry", async () => { await api("POST", path`/dead-letters/${d.id}/retry`); toast("Under way again."); render(); }),
            session.may("admin") && button("Delete", ask("Delete this dead letter?", async () => { await api("DELETE", path`/dead-letters/${d.id}`); render(); }), ".danger")),
        },
      ]));
  },

  async logs(_, params) {
    params = only(params, "script_id");
    const box = t("div.log");
    const state = t("span.faint", "connecting…");
    const follow = h("input", { type: "checkbox", checked: true });
    tail(params, state, (line) => {
      if (line.dropped) box.append(...logCells({ at: line.at, level: "warn", message: `${line.dropped} events were left out` }));
      // Starts and ends of executions have a level and a message as lines have.
      box.append(...logCells(line.error_stack ? { ...line, message: `${text(line.message)}\n${text(line.error_stack)}` } : line, line.script_name));
      while (box.childElementCount > 3000) box.firstElementChild.remove();
      if (follow.checked) scrollTo(0, document.body.scrollHeight);
    });
    return t("div", t("div.bar", t("h1", "Live log"), state, t("label", follow, " follow")), t("div.panel", box));
  },

  async keys() {
    const name = h("input", { placeholder: "name", "aria-label": "name" });
    const role = h("select", { "aria-label": "role" }, ["admin", "developer", "viewer"].map((r) => t("option", r)));
    const shown = t("div");
    return t("div", t("div.bar", t("h1", "Keys")),
      await list("/api-keys", {}, [
        { title: "Name", cell: (k) => k.name }, { title: "Role", cell: (k) => pill(k.role) }, { title: "Prefix", cell: (k) => t("code", k.prefix) },
        { title: "Made", cell: (k) => time(k.created_at) }, { title: "Used", cell: (k) => time(k.last_used_at) },
        { title: "", cell: (k) => button("Delete", ask(`Delete the key ${k.name}? Sessions that were begun with it end.`, async () => { await api("DELETE", path`/api-keys/${k.id}`); render(); }), ".danger") },
      ]),
      t("div.panel", t("h2", "New key"), t("div.bar", name, role, button("Make", async () => {
        const k = await api("POST", "/api-keys", { name: name.value, role: role.value });
        shown.replaceChildren(t("p", "It is shown this once:"), t("pre", k.key));
      })), shown));
  },

  async tenants() {
    return t("div", t("div.bar", t("h1", "Tenants")),
      await list("/tenants", {}, [
        { title: "Slug", cell: (x) => t("code", x.slug) }, { title: "Name", cell: (x) => x.name }, { title: "Status", cell: (x) => pill(x.status) }, { title: "Made", cell: (x) => time(x.created_at) },
      ], async (x) => { session.choose(x.slug); await start("#scripts"); }));
  },
}));

const executionColumns = [
  { title: "Script", cell: (e) => e.script_name ?? e.script_id },
  { title: "Status", cell: (e) => [pill(e.status), e.error_code ? t("span.faint", ` ${e.error_code}`) : null] },
  { title: "Trigger", cell: (e) => e.trigger_type },
  { title: "Version", right: true, cell: (e) => e.version },
  { title: "Duration", right: true, cell: (e) => ms(e.metrics?.duration_ms) },
  { title: "Accepted", cell: (e) => time(e.queued_at) },
];

const errorText = (e) => (typeof e === "string" ? e : e?.message ? [text(e.message), text(e.stack)].filter(Boolean).join("\n\n") : pretty(e ?? ""));

function triggerOf(s) {
  if (s.type === "http") return `${(s.http_methods ?? []).join(" ")} ${s.http_path ?? ""}`;
  if (s.type === "scheduled") return `${s.cron_expression ?? ""} ${s.timezone && s.timezone !== "UTC" ? s.timezone : ""}`;
  return (s.event_types ?? []).join(" ");
}

const levels = new Map(Object.entries({ warn: ".warn", error: ".bad" }));
function logCells(line, prefix) {
  const at = new Date(line.at);
  const clock = Number.isNaN(at.getTime()) ? "" : at.toLocaleTimeString(undefined, { hour12: false, fractionalSecondDigits: 3 });
  return [h("span.faint", { title: text(line.at) }, clock), t(`span${levels.get(line.level) ?? ".faint"}`, line.level), t("span", prefix ? t("span.faint", `${prefix}  `) : null, text(line.message))];
}
const logLines = (lines) => t("div.log", lines.flatMap((l) => logCells(l)));

// tail reads the log stream for as long as the view is shown.
async function tail(params, state, onLine) {
  const shown = location.hash;
  const again = {}; // says with a reconnection that it is one
  while (location.hash === shown && session.me) {
    const abort = new AbortController();
    const leave = () => abort.abort();
    addEventListener("hashchange", leave, { once: true });
    try {
      const resp = await send("GET", `/logs/tail${query(params)}`, { headers: { Accept: "text/event-stream", ...again }, signal: abort.signal });
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

// unsaved says that the shown editor holds a text that is not saved.
let unsaved = () => false;

function editor(source, onSave) {
  const numbers = h("div.numbers", { "aria-hidden": "true" });
  const area = h("textarea", { spellcheck: "false", autocapitalize: "off", "aria-label": "source", value: source });
  let counted = 0;
  const count = () => {
    const lines = area.value.split("\n").length;
    if (lines === counted) return;
    counted = lines;
    numbers.textContent = Array.from({ length: lines }, (_, i) => i + 1).join("\n");
  };
  area.addEventListener("input", count);
  area.addEventListener("scroll", () => { numbers.scrollTop = area.scrollTop; });
  area.addEventListener("keydown", (e) => {
    if ((e.ctrlKey || e.metaKey) && e.key === "s") { e.preventDefault(); onSave?.(); }
    // By this command and not by setRangeText, because it can be undone.
    if (e.key === "Tab" && !e.shiftKey && !e.ctrlKey && !e.altKey && !area.readOnly) { e.preventDefault(); document.execCommand("insertText", false, "  "); }
  });
  count();
  return { box: t("div.editor", numbers, area), area };
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
  const type = t("select", Object.keys(samples).map((name) => t("option", name)));
  const trigger = t("div.form");
  const where = h("input", { value: "/" });
  const methods = h("input", { value: "GET" });
  const cron = h("input", { value: "*/5 * * * *" });
  const zone = h("input", { value: "UTC" });
  const types = h("input", { placeholder: "user.created" });
  const wrong = t("div");
  const { box, area } = editor(samples.http);
  const pristine = () => Object.values(samples).includes(area.value);
  unsaved = () => !pristine();
  const show = () => {
    trigger.replaceChildren(...{
      http: [label("Path", where), label("Methods", methods)],
      scheduled: [label("Cron expression", cron), label("Time zone", zone)],
      event: [label("Event types", types)],
    }[type.value] ?? []);
    if (pristine()) { area.value = samples[type.value]; area.dispatchEvent(new Event("input")); }
  };
  type.addEventListener("change", show);
  show();
  const words = (v) => v.split(/[\s,]+/).filter(Boolean);
  const create = (status) => async () => {
    wrong.replaceChildren();
    const body = { name: name.value, type: type.value, source: area.value, status };
    if (type.value === "http") Object.assign(body, { http_path: where.value, http_methods: words(methods.value.toUpperCase()) });
    if (type.value === "scheduled") Object.assign(body, { cron_expression: cron.value, timezone: zone.value });
    if (type.value === "event") body.event_types = words(types.value);
    try {
      const made = await api("POST", "/scripts", body);
      unsaved = () => false;
      go(`script/${id(made.id)}`);
      warn(made);
    } catch (e) { wrong.replaceChildren(failure(e)); }
  };
  return t("div", t("div.bar", t("h1", "New script"), button("Save as draft", create("draft")), button("Save and activate", create("active"), ".primary")),
    wrong, t("div.columns", box, t("div.panel", t("div.form", label("Name", name), label("Type", type), trigger))));
}

const moves = new Map(Object.entries({ draft: ["active"], active: ["paused", "disabled"], paused: ["active", "disabled"], disabled: ["active"], archived: ["draft"] }));
const mergePatch = { "Content-Type": "application/merge-patch+json" };

async function editScript(script, etag) {
  const wrong = t("div");
  const result = t("div");
  const mayWrite = session.may("write");
  // A save changes the version that this page shows. Where another version was saved since, it asks.
  const save = async (ifMatch) => {
    wrong.replaceChildren();
    try {
      const saved = await api("PATCH", path`/scripts/${script.id}`, { source: area.value }, { ...mergePatch, ...ifMatch });
      toast(saved.version === script.version ? "Nothing changed." : `Saved as version ${saved.version}.`);
      warn(saved);
      unsaved = () => false;
      render();
    } catch (e) {
      wrong.replaceChildren(e.status !== 412 ? failure(e) : h("div.panel.error", { role: "alert" },
        "This script was changed since you opened it. Your text is still here. ",
        button("Save over it", ask("Save over the other change? It stays in the versions.", () => save({}))),
        button("Show the other one", ask("Show the other one? Your text is lost.", () => { unsaved = () => false; render(); }))));
    }
  };
  const guarded = () => save(etag ? { "If-Match": etag } : {});
  const { box, area } = editor(script.source, mayWrite ? guarded : undefined);
  area.readOnly = !mayWrite;
  unsaved = () => area.isConnected && area.value !== script.source;
  const input = h("textarea", { rows: 4, "aria-label": "input" }, script.type === "http" ? JSON.stringify({ method: "GET", path: script.http_path ?? "/" }) : "null");
  const names = { active: "Activate", paused: "Pause", disabled: "Disable", draft: "Back to draft" };
  const move = (status) => button(names[status], async () => {
    if (unsaved() && !confirm("Go on without saving your text?")) return;
    await api("PATCH", path`/scripts/${script.id}`, { status }, mergePatch);
    render();
  });
  const run = async () => {
    result.replaceChildren();
    const e = await api("POST", path`/scripts/${script.id}/executions` + query({ wait: true }), { input: JSON.parse(input.value || "null") });
    const logs = await get(path`/executions/${e.id}/logs` + query({ limit: 200 })).catch(() => ({ items: [] }));
    result.replaceChildren(t("div.panel", t("div.bar", pill(e.status), e.error_code && pill(e.error_code), t("span.faint", ms(e.metrics?.duration_ms)), h("a", { href: `#execution/${id(e.id)}` }, "details")),
      e.error && t("pre", errorText(e.error)), t("pre", pretty(e.output)), logs.items.length ? logLines(logs.items) : null));
  };
  const restore = (v) => button("Restore", ask(`Make a new version of version ${v.version_number}?`, async () => {
    await api("POST", path`/scripts/${script.id}/versions/${v.version_number}/restore`, {});
    unsaved = () => false;
    render();
  }));
  const [versions, executions] = await Promise.all([
    get(path`/scripts/${script.id}/versions` + query({ limit: 20 })),
    list("/executions", { script_id: id(script.id), limit: 10 }, executionColumns.slice(1), (e) => go(`execution/${id(e.id)}`)),
  ]);
  const { levels, ceilings, ceiling_levels, ...effective } = script.effective_limits ?? {};
  const limits = Object.entries(effective);
  return t("div",
    t("div.bar", t("h1", script.name), pill(script.type), pill(script.status), t("span.faint", `version ${script.version}`),
      mayWrite && (moves.get(script.status) ?? []).map(move), mayWrite && button("Save", guarded, ".primary")),
    wrong,
    t("div.columns",
      t("div", box, t("div.bar"), t("h2", "Recent executions"), executions),
      t("div",
        session.may("execute") && t("div.panel", t("h2", "Run"), t("div.form", input, button("Run now", run)), t("div.bar"), result),
        t("div.panel", t("h2", "Trigger"), t("code", triggerOf(script) || "called by hand, by API or by other scripts")),
        t("div.panel", t("h2", "Versions"), table([
          { title: "", cell: (v) => v.version_number },
          { title: "Change", cell: (v) => [time(v.created_at), t("div.faint", v.change_description)] },
          { title: "", cell: (v) => (v.version_number === script.version ? t("span.faint", "now") : mayWrite && restore(v)) },
        ], versions.items)),
        t("div.panel", t("h2", "Limits"), t("dl", limits.map(([k, v]) => [t("dt", k), t("dd", v === null ? "–" : text(v), levels?.[k] && t("span.faint", ` ${levels[k]}`))]))),
        session.may("admin") && t("div.panel", button("Delete script", ask(`Delete ${script.name} with its history?`, async () => {
          await api("DELETE", path`/scripts/${script.id}`);
          unsaved = () => false;
          go("scripts");
        }), ".danger")))));
}

// ---- frame

const tabs = [["scripts", "Scripts"], ["executions", "Executions"], ["schedules", "Schedules"], ["endpoints", "Endpoints"], ["dead-letters", "Dead letters"], ["logs", "Live log"]];

// go shows a view. Its name is made of constants and of ids that were checked.
function go(view, params) {
  const next = `#${view}${params ? query(params) : ""}`;
  if (location.hash === next) render(); else location.hash = next;
}

const brand = () => [h("img", { src: "icon.svg", alt: "" }), "jsruntime"];

function signIn(message) {
  session.me = null;
  unsaved = () => false;
  const key = h("input", { type: "password", autocomplete: "off", spellcheck: "false", placeholder: "jsr_…", required: true, maxlength: 512 });
  app.replaceChildren(h("form.signin.panel.form", {
    onsubmit: async (e) => {
      e.preventDefault();
      const value = key.value.trim();
      key.value = "";
      try {
        await session.signIn({ key: value });
        await start();
      } catch (problem) { signIn(problem.lines ?? problem.message); }
    },
  }, t("div.brand", h("img", { src: "icon.svg", alt: "" }), t("h1", "jsruntime")), message && t("div.error", message),
  label("API key", key), t("button.primary", "Sign in"),
  t("div.faint", "The key is sent once and not kept in this page.")));
  key.focus();
}

let drawn = 0;
async function render() {
  const turn = ++drawn;
  const { name, rest, params } = place();
  const tab = { script: "scripts", execution: "executions" }[name] ?? name;
  unsaved = () => false;
  let body;
  try {
    body = await views.get(name)(rest, params);
  } catch (e) {
    if (e.status === 401) return signIn("Your session has ended.");
    body = failure(e);
  }
  if (turn !== drawn || !session.me) return;
  const operator = session.me.role === "superadmin";
  const shown = [...(session.tenant ? [...tabs, ...(session.may("admin") ? [["keys", "Keys"]] : [])] : []), ...(operator ? [["tenants", "Tenants"]] : [])];
  app.replaceChildren(
    t("header", t("span.brand", brand()),
      t("nav", shown.map(([name, title]) => h("a", { href: `#${name}`, "aria-current": name === tab && "page" }, title))),
      t("span.faint", `${session.tenant} · ${session.me.role}`),
      button("Sign out", async () => { await session.signOut(false); signIn(); }),
      button("Sign out everywhere", ask("End all sessions of this key, in all browsers?", async () => { await session.signOut(true); signIn(); }))),
    t("main", body));
}

// place is the view that the address bar asks for, and its parameters.
function place() {
  const [where, search] = location.hash.slice(1).split("?");
  let [name, ...rest] = (where || "scripts").split("/");
  if (!views.has(name)) [name, rest] = ["scripts", []];
  if (!session.tenant) name = "tenants";
  return { name, rest, params: Object.fromEntries(new URLSearchParams(search)) };
}

// offered takes a one-time link out of the address bar and out of the history, before anything else happens with it.
function offered() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const link = fragment.get("link");
  if (!link) return null;
  history.replaceState(null, "", location.pathname);
  return { link, tenant: fragment.get("tenant") ?? "" };
}

async function redeem({ link, tenant }) {
  try {
    await session.signIn({ link }, tenant);
  } catch (e) { return signIn(e.lines ?? e.message); }
  await start("#scripts");
}

// start shows the page of who is signed in, or asks for a key. A link does not take the place of a session unasked: it may be another's.
async function start(next) {
  const offer = offered();
  try {
    await session.read();
  } catch (e) {
    if (offer && e.status === 401) return redeem(offer);
    return signIn(e.status === 401 ? "" : e.lines ?? e.message);
  }
  if (offer) {
    app.replaceChildren(t("div.signin.panel.form", t("p", `You are signed in${session.tenant ? ` to ${session.tenant}` : ""} as ${session.me.role}. This link signs you in as somebody else, or again.`),
      button("Use the link", () => redeem(offer), ".primary"), button("Stay signed in", () => start("#scripts"))));
    return;
  }
  if (next) history.replaceState(null, "", next);
  await render();
}

let last = location.hash;
addEventListener("hashchange", () => {
  if (new URLSearchParams(location.hash.slice(1)).has("link")) return void start();
  if (unsaved() && !confirm("Leave without saving?")) { history.replaceState(null, "", last || "#"); return; }
  last = location.hash;
  if (session.me) render();
});
addEventListener("beforeunload", (e) => { if (unsaved()) e.preventDefault(); });
start();
