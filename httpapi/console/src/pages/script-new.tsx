// A new script: a template, a name, what triggers it.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ScriptEditor } from "../editor/editor";
import { APIError, call } from "../lib/api";
import { go, href, useQuery, useUnsaved } from "../lib/router";
import { placesOf } from "../script/source";
import { Ticks, useTicks } from "../script/ticks";
import { type ScriptType, type Template, templates } from "../script/templates";
import { Button, Check, Field, Form, Input, PageHead, Panel, Select, TextArea, toast } from "../ui";

const words = (v: string) => v.split(/[\s,]+/).filter(Boolean);
const verbs = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

export default function NewScript() {
  const [query] = useQuery();
  const first = templates.find((t) => t.type === query.type) ?? templates[0] as Template;
  const [template, setTemplate] = useState(first);
  const [s, setAll] = useState(() => fields(first));
  const set = (change: Partial<typeof s>) => setAll((before) => ({ ...before, ...change }));
  const box = useRef<HTMLDivElement>(null);
  const editor = useRef<ScriptEditor | null>(null);
  const [dirty, setDirty] = useState(false);
  const [made, setMade] = useState("");
  const preview = useTicks(s.cron, s.zone, s.type !== "scheduled");
  useUnsaved(dirty && !made);
  useEffect(() => { if (made) void go(href(`/scripts/${made}`)); }, [made]);
  useEffect(() => {
    let gone = false;
    void import("../editor/editor").then(({ ScriptEditor }) => {
      if (gone || !box.current) return;
      editor.current = new ScriptEditor({ parent: box.current, source: { files: { "": first.source }, main: "" }, changed: () => setDirty(editor.current?.dirty ?? false) });
    });
    return () => { gone = true; editor.current?.close(); };
  }, []);
  const choose = (t: Template) => {
    setTemplate(t);
    setAll((before) => ({ ...fields(t), name: before.name, status: before.status }));
    if (!editor.current?.dirty) editor.current?.replace({ files: { "": t.source }, main: "" }, true);
  };
  const create = async () => {
    const trigger = s.type === "http" ? { http_path: s.path, http_methods: s.methods } : s.type === "scheduled" ? { cron_expression: s.cron, timezone: s.zone } : s.type === "event" ? { event_types: words(s.types) } : {};
    try {
      const source = editor.current?.source.files[""] ?? template.source;
      const script = await call("POST /scripts", { body: { name: s.name, type: s.type, source, status: s.status, ...(s.description ? { description: s.description } : {}), ...trigger } as never });
      for (const w of script.warnings ?? []) toast(`${w.location}: ${w.message}`, true);
      setMade(script.id);
    } catch (e) {
      if (e instanceof APIError) editor.current?.refused(placesOf(e, [""]));
      throw e;
    }
  };
  return <div class="script-page">
    <PageHead title="New script" crumbs={[["Scripts", href("/scripts")]]} />
    <div class="stack">
      <div class="templates" role="group" aria-label="Templates">{templates.map((t) => <button type="button" key={t.name} aria-pressed={t === template} onClick={() => choose(t)}><b>{t.name}</b><span class="faint">{t.about}</span></button>)}</div>
      <div class="columns">
        <div class="panel editor-panel"><div ref={box} class="editor-box" /></div>
        <Panel title="Script"><Form onSubmit={create}>{({ busy, error }) => <>
          <Field label="Name" fault={error?.fault("name") ?? (error?.code === "name_taken" ? error.message : undefined)}><Input value={s.name} onInput={(name) => set({ name })} placeholder="my-script" mono /></Field>
          <Field label="Description" fault={error?.fault("description")}><TextArea rows={2} value={s.description} onInput={(description) => set({ description })} /></Field>
          <Field label="Type" hint={handlers[s.type]}><Select value={s.type} onChange={(v) => choose(templates.find((t) => t.type === v) ?? template)} options={["http", "scheduled", "event", "oneoff", "embedded"]} /></Field>
          {s.type === "http" ? <>
            <Field label="Path" hint=":name is a parameter, *rest all that follows." fault={error?.fault("http_path") ?? (error?.code === "http_path_taken" ? error.message : undefined)}><Input value={s.path} onInput={(path) => set({ path })} mono /></Field>
            <fieldset class="choices"><legend>Methods</legend><div class="row">{verbs.map((v) => <Check key={v} label={v} checked={s.methods.includes(v)} onChange={(on) => set({ methods: on ? verbs.filter((x) => x === v || s.methods.includes(x)) : s.methods.filter((x) => x !== v) })} />)}</div>
              {error?.fault("http_methods") ? <span class="bad">{error.fault("http_methods")}</span> : null}</fieldset>
          </> : null}
          {s.type === "scheduled" ? <><div class="pair">
            <Field label="Cron expression" hint="Minute, hour, day of the month, month, day of the week." fault={preview.fault("cron_expression") ?? error?.fault("cron_expression")}><Input value={s.cron} onInput={(cron) => set({ cron })} mono /></Field>
            <Field label="Time zone" fault={preview.fault("timezone") ?? error?.fault("timezone")}><Input value={s.zone} onInput={(zone) => set({ zone })} /></Field>
          </div><Ticks ticks={preview.ticks} zone={s.zone} /></> : null}
          {s.type === "event" ? <Field label="Event types" hint="order.* and * are patterns." fault={error?.fault("event_types")}><Input value={s.types} onInput={(types) => set({ types })} mono /></Field> : null}
          <Field label="Begin as"><Select value={s.status} onChange={(status) => set({ status })} options={[["active", "active: it is triggered at once"], ["draft", "draft"]]} /></Field>
          <div class="foot"><Button kind="primary" type="submit" disabled={busy}>Create</Button></div>
        </>}</Form></Panel>
      </div>
    </div>
  </div>;
}

const handlers: Record<ScriptType, string> = {
  http: "Its fetch handler answers requests.", scheduled: "Its scheduled handler runs at each tick.", event: "Its event handler runs for each event.", oneoff: "Its run handler is called by the API.", embedded: "Its run handler is called by other scripts.",
};

function fields(t: Template) {
  return { name: "", description: "", type: t.type, path: t.path ?? "/", methods: t.methods ?? ["GET"], cron: t.cron ?? "*/5 * * * *", zone: "UTC", types: (t.types ?? []).join(" "), status: "active" };
}
