// All settings of a script as forms.

import { useEffect, useMemo, useState } from "preact/hooks";
import { APIError, call, callWithETag, may, type Script } from "../lib/api";
import { useLoad } from "../lib/data";
import { bytes } from "../lib/format";
import { useUnsaved } from "../lib/router";
import { Button, Facts, Failure, Loading, Notice, Panel, Tag, Time, toast } from "../ui";
import { Conflict } from "./conflict";
import { type Faults, faultAt, ObjectFields, SchemaField, title } from "./form";
import { type JSONValue, mergePatch } from "../lib/merge";
import { Ticks, useTicks } from "./ticks";
import { apiDocument, type Document, resolve, type Schema } from "./schema";

type Members = Record<string, JSONValue | undefined>;

// What the form has no field for: it has a place of its own on the page.
const elsewhere = ["source", "files", "main", "status", "type", "organization_id", "change_description"];
// What makes no version: it says what the script is called, not how it behaves.
const names = ["name", "description", "tags", "metadata"];
const triggers: Record<string, string[]> = { http: ["http_path", "http_methods"], scheduled: ["cron_expression", "timezone"], event: ["event_types", "subscriptions"] };
// Of which types a setting is; one that is not named is of all.
const ofTypes: Record<string, string[]> = { http: ["http"], schedule: ["scheduled"], retry: ["event", "scheduled"], concurrency: ["event", "http"], subscriptions: ["event"] };
const headings: Record<string, string> = { http: "Endpoint", schedule: "Schedule", retry: "Retries", resource_limits: "Limits", history: "History", egress: "Egress", kv_namespaces: "kv namespaces", breaker: "Breaker" };

const order = ["http", "schedule", "schedules", "retry", "subscriptions", "concurrency", "history", "egress", "kv_namespaces", "breaker"];

// What the schema says at greater length, or of the whole group.
const shorter: Record<string, Record<string, string>> = {
  egress: {
    allow: "Where fetch may send data: hosts, *.names, addresses or networks, each with a port or for all. Nothing given: what the tenant may.",
    deny: "Where it never may, whatever allow has.",
  },
  history: {
    store: "Which executions are kept: all, failures and timeouts, or none. Usage counts all.",
    sample: "The share of completed executions that is kept, 0 to 1. All others are kept.",
    bodies: "Whether input and output are kept. Executions without cannot be replayed.",
    redact: "Members that are masked beside credentials: $.input.headers.x-token",
    calls: "Which host calls are kept; bodies keeps what fetches sent and got.",
  },
};

// faultsOf are the faults by field. A conflict has none in its list, and names its field before the colon: body.http.hosts: …
function faultsOf(e: APIError): Faults[] {
  const named = /^(body\.[\w.[\]]+): (.*)$/s.exec(e.message);
  if (e.faults.length) return e.faults;
  if (named?.[1] && named[2]) return [{ location: named[1], message: named[2] }];
  const field = { name_taken: "body.name", http_path_taken: "body.http_path" }[e.code];
  return field ? [{ location: field, message: e.message }] : [];
}

// given is the script's settings as its author gave them: what the form begins with.
function given(script: Script, names: string[]): Members {
  const all = script as unknown as Members;
  const picked: Members = {};
  for (const name of names) if (all[name] !== undefined && all[name] !== null) picked[name] = all[name];
  return picked;
}

export function Settings({ script, etag, onSaved }: { script: Script; etag: string | null; onSaved: (s: Script, etag: string | null) => void }) {
  const [document, setDocument] = useState<Document | Error | null>(null);
  useEffect(() => { apiDocument().then(setDocument, setDocument); }, []);
  if (document instanceof Error) return <Failure error={document} />;
  if (!document) return <Loading />;
  return <SettingsForm key={script.id} document={document} script={script} etag={etag} onSaved={onSaved} />;
}

function SettingsForm({ document, script, etag, onSaved }: { document: Document; script: Script; etag: string | null; onSaved: (s: Script, etag: string | null) => void }) {
  const schema = document.components.schemas.ScriptPatch ?? {};
  const fields = useMemo(() => Object.keys(schema.properties ?? {}).filter((n) => {
    const trigger = Object.entries(triggers).find(([, all]) => all.includes(n));
    return !elsewhere.includes(n) && (!trigger || trigger[0] === script.type) && (!ofTypes[n] || ofTypes[n].includes(script.type));
  }), [schema, script.type]);
  const [base, setBase] = useState({ script, etag });
  const before = useMemo(() => given(base.script, fields), [base, fields]);
  const [now, setNow] = useState<Members>(before);
  const [error, setError] = useState<APIError | null>(null);
  const [conflict, setConflict] = useState<APIError | null>(null);
  const patch = mergePatch(before, now) as Members | undefined;
  useUnsaved(patch !== undefined);
  // Another tab of the page has saved the script: an untouched form follows.
  useEffect(() => {
    if (etag !== base.etag && patch === undefined) { setBase({ script, etag }); setNow(given(script, fields)); }
  }, [etag]);

  const writable = may("PATCH /scripts/{id}");
  const scheduled = script.type === "scheduled";
  const preview = useTicks(String(now.cron_expression ?? ""), String(now.timezone ?? ""), !scheduled);
  const typed = (["cron_expression", "timezone"] as const).flatMap((field) => { const message = scheduled ? preview.fault(field) : undefined; return message ? [{ location: `body.${field}`, message }] : []; });
  const refused: Faults[] = error ? faultsOf(error) : [];
  const faults: Faults[] = [...refused.filter((f) => !typed.some((t) => t.location === f.location)), ...typed];
  const set = (name: string) => (v: JSONValue | undefined) => setNow((n) => { const next = { ...n }; if (v === undefined) delete next[name]; else next[name] = v; return next; });

  const settle = (s: Script, tag: string | null) => { setBase({ script: s, etag: tag }); setNow(given(s, fields)); setError(null); onSaved(s, tag); };
  async function refusedBy(e: unknown) {
    if (!(e instanceof APIError)) throw e;
    if (e.status === 412) { setConflict(e); return; }
    setError(e);
    requestAnimationFrame(() => globalThis.document.querySelector<HTMLElement>(".settings [aria-invalid='true'], .settings .fault")?.scrollIntoView({ block: "center" }));
  }
  async function save(tag: string | null = base.etag) {
    try {
      const { value, etag: newer } = await callWithETag("PATCH /scripts/{id}", { path: { id: script.id }, body: patch as never, ifMatch: tag });
      settle(value, newer);
      toast(value.version === base.script.version ? "Saved." : `Saved. Version ${value.version} is live.`);
    } catch (e) { await refusedBy(e); }
  }
  const behaviour = Object.fromEntries(Object.entries(patch ?? {}).filter(([n]) => !names.includes(n)));
  async function saveVersion() {
    try {
      const v = await call("POST /scripts/{id}/versions", { path: { id: script.id }, body: behaviour as never, ifMatch: base.etag });
      const { value, etag: newer } = await callWithETag("GET /scripts/{id}", { path: { id: script.id } });
      settle(value, newer);
      toast(`Saved as version ${v.version_number}, which is not live.`);
    } catch (e) { await refusedBy(e); }
  }
  async function takeTheirs() {
    const { value, etag: newer } = await callWithETag("GET /scripts/{id}", { path: { id: script.id } });
    settle(value, newer);
    setConflict(null);
  }
  async function overwrite() {
    const { etag: newer } = await callWithETag("GET /scripts/{id}", { path: { id: script.id } });
    setConflict(null);
    await save(newer);
  }

  const own = triggers[script.type] ?? [];
  const rank = (n: string) => (order.includes(n) ? order.indexOf(n) : order.length);
  const groups = fields.filter((n) => !names.includes(n) && !own.includes(n) && n !== "resource_limits").sort((a, b) => rank(a) - rank(b));
  const field = (name: string) => <SchemaField key={name} document={document} schema={schema.properties?.[name] ?? {}} at={`body.${name}`} name={name} value={now[name]} onChange={set(name)} faults={faults} disabled={!writable} required={own.includes(name) || name === "name"} hint={name === "metadata" ? "Any JSON of yours. The node does not read it." : undefined} />;
  const unplaced = error && !refused.some((f) => fields.some((n) => f.location === `body.${n}` || f.location.startsWith(`body.${n}.`) || f.location.startsWith(`body.${n}[`)));

  return <form class="settings stack" onSubmit={(e) => { e.preventDefault(); if (patch) void save(); }} noValidate>
    {conflict ? <Conflict error={conflict} mine={patch} onClose={() => setConflict(null)} onTake={takeTheirs} onOverwrite={overwrite} /> : null}
    {unplaced && error ? <Failure error={error} /> : error ? <Notice kind="bad">{error.message}</Notice> : null}
    {!writable ? <Notice>Your session may read these settings and not change them.</Notice> : null}
    <div class="halves">
      <div class="stack">
        <Panel title="Script">{["name", "description", "tags"].map(field)}</Panel>
        {own.length ? <Panel title="Trigger">{own.filter((n) => fields.includes(n)).map(field)}{scheduled ? <>
          <Ticks ticks={preview.ticks} zone={String(now.timezone ?? "")} />
          {base.script.status === "active" ? null : <span class="warn">The script is {base.script.status}: no tick runs it.</span>}
        </> : null}</Panel> : null}
        <Limits document={document} schema={schema.properties?.resource_limits ?? {}} script={base.script} members={(now.resource_limits ?? {}) as Members} onChange={set("resource_limits")} faults={faults} disabled={!writable} />
      </div>
      <div class="stack">
        {groups.map((name) => <Group key={name} document={document} schema={schema.properties?.[name] ?? {}} name={name} value={now[name]} onChange={set(name)} faults={faults} disabled={!writable} />)}
        <Panel title="Metadata">{field("metadata")}</Panel>
      </div>
    </div>
    {writable && patch ? <div class="save-bar">
      <span class="soft">{`Changed: ${Object.keys(patch).map(title).join(", ")}`}</span>
      <span class="row push">
        {patch ? <Button onClick={() => { setNow(before); setError(null); }}>Undo</Button> : null}
        {patch && Object.keys(behaviour).length && Object.keys(behaviour).length === Object.keys(patch).length && may("POST /scripts/{id}/versions") ? <Button onClick={saveVersion} title="Saves a version that is not live">Save as version</Button> : null}
        <Button kind="primary" disabled={!patch} onClick={() => save()}>Save settings</Button>
      </span>
    </div> : null}
  </form>;
}

function Group({ document, schema: raw, name, value, onChange, faults, disabled }: { document: Document; schema: Schema; name: string; value: JSONValue | undefined; onChange: (v: JSONValue | undefined) => void; faults: Faults[]; disabled: boolean }) {
  const schema = resolve(document, raw);
  const at = `body.${name}`;
  const heading = headings[name] ?? title(name);
  if (!schema.properties) return <Panel title={heading}><SchemaField document={document} schema={schema} at={at} name={name} value={value} onChange={onChange} faults={faults} disabled={disabled} hint={name === "kv_namespaces" ? "NAME to {\"prefix\": \"…\"}: names of kv.namespace(NAME), and what their keys begin with." : undefined} /></Panel>;
  const fault = faultAt(faults, at, Object.keys(schema.properties));
  return <Panel title={heading}>
    {fault ? <p class="fault" role="alert">{fault}</p> : null}
    <ObjectFields document={document} schema={schema} at={at} members={(value ?? {}) as Members} onChange={(v) => onChange(Object.keys(v as Members).length ? v : undefined)} faults={faults} disabled={disabled} {...(shorter[name] ? { hints: shorter[name] } : {})} />
  </Panel>;
}

const size = /_bytes$/;
const levels: Record<string, string> = { script: "this script", plan: "the tenant's plan", operator_default: "the operator's default", operator_ceiling: "the operator's ceiling", default: "the operator's default", ceiling: "the operator's ceiling" };

/** Limits shows for each limit what applies, which level has decided it, and the most that the author may ask for. */
function Limits({ document, schema: raw, script, members, onChange, faults, disabled }: { document: Document; schema: Schema; script: Script; members: Members; onChange: (v: JSONValue | undefined) => void; faults: Faults[]; disabled: boolean }) {
  const schema = resolve(document, raw);
  const effective = script.effective_limits as unknown as Record<string, number | null> & { levels: Record<string, string>; ceilings: Record<string, number | null>; ceiling_levels: Record<string, string> };
  const show = (name: string, n: number | null | undefined) => n === null || n === undefined ? "none" : size.test(name) ? `${n} (${bytes(n)})` : String(n);
  const hints = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, s]) => [name, <>
    {(s.description ?? "").replace(/ Built in:.*$/, "")} Now <b>{show(name, effective[name])}</b> by <Tag kind={effective.levels[name] === "script" ? "info" : ""}>{levels[effective.levels[name] ?? ""] ?? effective.levels[name]}</Tag>; at most {show(name, effective.ceilings[name])}, {levels[effective.ceiling_levels[name] ?? ""] ?? effective.ceiling_levels[name]}.
  </>]));
  const placeholders = Object.fromEntries(Object.keys(schema.properties ?? {}).map((name) => [name, effective[name] === null || effective[name] === undefined ? "none" : String(effective[name])]));
  return <Panel title="Limits">
    <ObjectFields document={document} schema={schema} at="body.resource_limits" members={members} onChange={(v) => onChange(Object.keys(v as Members).length ? v : undefined)} faults={faults} disabled={disabled} hints={hints} placeholders={placeholders} />
  </Panel>;
}

/** NextTicks are the next five ticks of the schedule as it is stored. */
export function NextTicks({ script }: { script: Script }) {
  const schedule = useLoad("GET /scripts/{id}/schedule", { path: { id: script.id } }, { skip: script.type !== "scheduled" });
  useEffect(() => { void schedule.reload(); }, [script.version, script.status, script.cron_expression, script.timezone]);
  const s = schedule.data;
  if (!s) return null;
  return <div class="stack tight">
    <h3>Next ticks</h3>
    {s.upcoming?.length ? <ol class="ticks">{s.upcoming.map((at) => <li key={at}><Time at={at} /> <span class="faint"><Time at={at} style="ago" /></span></li>)}</ol> : <span class="faint">None: the script is {script.status}.</span>}
    <Facts of={{ "Last run": s.last_run_at ? <><Time at={s.last_run_at} /> {s.last_run_status}</> : null }} />
  </div>;
}
