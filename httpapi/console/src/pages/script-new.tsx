import { useState } from "preact/hooks";
import { call } from "../lib/api";
import { go, href, useUnsaved } from "../lib/router";
import { samples } from "../lib/script";
import { Button, Field, Form, Input, PageHead, Panel, Select, TextArea, toast } from "../ui";

type Type = "http" | "scheduled" | "event" | "oneoff" | "embedded";
const words = (v: string) => v.split(/[\s,]+/).filter(Boolean);

export default function NewScript() {
  const [s, setAll] = useState({ name: "", type: "http" as Type, source: samples.http ?? "", path: "/", methods: "GET", cron: "*/5 * * * *", zone: "UTC", types: "", made: false });
  const set = (change: Partial<typeof s>) => setAll((before) => ({ ...before, ...change }));
  const pristine = Object.values(samples).includes(s.source);
  useUnsaved(!pristine && !s.made);
  const create = async (status: "draft" | "active") => {
    const trigger = s.type === "http" ? { http_path: s.path, http_methods: words(s.methods.toUpperCase()) }
      : s.type === "scheduled" ? { cron_expression: s.cron, timezone: s.zone } : s.type === "event" ? { event_types: words(s.types) } : {};
    const made = await call("POST /scripts", { body: { name: s.name, type: s.type, source: s.source, status, ...trigger } as never });
    set({ made: true, source: samples[s.type] ?? "" });
    for (const w of made.warnings ?? []) toast(`${w.location}: ${w.message}`, true);
    setTimeout(() => void go(href(`/scripts/${made.id}`)));
  };
  const [wanted, setWanted] = useState<"draft" | "active">("active");
  return <>
    <PageHead title="New script" crumbs={[["Scripts", href("/scripts")]]} />
    <Form onSubmit={() => create(wanted)}>{({ busy, error }) => <div class="columns">
      <Field label="Source" fault={error?.fault("source")}><TextArea value={s.source} rows={24} onInput={(source) => set({ source })} /></Field>
      <Panel title="Trigger"><div class="form">
        <Field label="Name" fault={error?.fault("name")}><Input value={s.name} onInput={(name) => set({ name })} placeholder="my-script" /></Field>
        <Field label="Type"><Select value={s.type} onChange={(v) => set({ type: v as Type, ...(pristine ? { source: samples[v] ?? "" } : {}) })} options={["http", "scheduled", "event", "oneoff", "embedded"]} /></Field>
        {s.type === "http" ? <><Field label="Path" fault={error?.fault("http_path")}><Input value={s.path} onInput={(path) => set({ path })} mono /></Field>
          <Field label="Methods" fault={error?.fault("http_methods")}><Input value={s.methods} onInput={(methods) => set({ methods })} mono /></Field></> : null}
        {s.type === "scheduled" ? <><Field label="Cron expression" fault={error?.fault("cron_expression")}><Input value={s.cron} onInput={(cron) => set({ cron })} mono /></Field>
          <Field label="Time zone" fault={error?.fault("timezone")}><Input value={s.zone} onInput={(zone) => set({ zone })} /></Field></> : null}
        {s.type === "event" ? <Field label="Event types" fault={error?.fault("event_types")}><Input value={s.types} onInput={(types) => set({ types })} placeholder="user.created" mono /></Field> : null}
        <Field label="Begin as"><Select value={wanted} onChange={(v) => setWanted(v as "draft")} options={[["active", "Active: it is triggered at once"], ["draft", "Draft"]]} /></Field>
        <Button type="submit" kind="primary" disabled={busy}>Save</Button>
      </div></Panel>
    </div>}</Form>
  </>;
}
