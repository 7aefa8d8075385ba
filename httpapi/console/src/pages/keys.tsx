import { useState } from "preact/hooks";
import { call, type Key, may } from "../lib/api";
import { access } from "../lib/schema";
import { usePages } from "../lib/data";
import { Button, Check, Code, confirm, Field, Form, Input, List, Notice, PageHead, Panel, Segments, Select, Tag, Time } from "../ui";

export default function Keys() {
  const pages = usePages("GET /api-keys");
  const remove = async (k: Key) => {
    if (!await confirm(`Delete the key ${k.name}?`, { text: "Programs that use it are refused, and sessions that were begun with it end.", action: "Delete", danger: true })) return;
    await call("DELETE /api-keys/{id}", { path: { id: k.id } });
    await pages.reload();
  };
  return <>
    <PageHead title="API keys" />
    <div class="columns">
      <List pages={pages} label="API keys" rowKey={(k) => k.id} columns={[
        { title: "Name", cell: (k) => <span class="row">{k.name}{ending(k) ? <Tag kind="warn">ends soon</Tag> : null}</span> },
        { title: "May", cell: (k) => k.scopes.length ? <span class="row">{k.scopes.map((s) => <Tag key={s}>{s}</Tag>)}</span> : <Tag>{k.role}</Tag> },
        { title: "Prefix", cell: (k) => <code>{k.prefix}</code>, wide: true },
        { title: "Ends", cell: (k) => k.expires_at ? <Time at={k.expires_at} style="ago" /> : <span class="faint">never</span>, wide: true },
        { title: "Used", cell: (k) => <Time at={k.last_used_at} style="ago" /> },
        { title: "", right: true, cell: (k) => may("DELETE /api-keys/{id}") ? <Button small kind="danger" onClick={() => remove(k)}>Delete</Button> : null },
      ]} />
      {may("POST /api-keys") ? <NewKey made={pages.reload} /> : null}
    </div>
  </>;
}

const ending = (k: Key): boolean => k.expires_at !== null && Date.parse(k.expires_at) - Date.now() < 14 * 86_400_000;

/** scopes are those that operations name, as the API's document has them. */
const scopes = [...new Set(Object.values(access).map(([, scope]) => scope))].filter((s) => s && !s.includes("*")).sort();

function NewKey({ made }: { made: () => unknown }) {
  const [name, setName] = useState("");
  const [by, setBy] = useState("role");
  const [role, setRole] = useState("developer");
  const [chosen, setChosen] = useState<string[]>([]);
  const [invoke, setInvoke] = useState("");
  const [days, setDays] = useState("");
  const [key, setKey] = useState("");
  return <Panel title="New key"><Form onSubmit={async () => {
    const all = [...chosen, ...invoke.split(/[\s,]+/).filter(Boolean).map((n) => `invoke:${n}`)];
    const k = await call("POST /api-keys", { body: {
      name, ...(by === "role" ? { role: role as "viewer" } : { scopes: all }), ...(days ? { expires_at: new Date(Date.now() + Number(days) * 86_400_000).toISOString() } : {}),
    } });
    setKey(k.key);
    setName("");
    made();
  }}>{({ busy, error }) => <>
    <Field label="Name" fault={error?.fault("name")}><Input value={name} onInput={setName} /></Field>
    <Segments label="What it may" value={by} onChange={setBy} items={[["role", "A role"], ["scopes", "Scopes"]]} />
    {by === "role" ? <Field label="Role" fault={error?.fault("role")}><Select value={role} onChange={setRole} options={["admin", "developer", "viewer"]} /></Field> : <>
      <fieldset class="scopes"><legend>Scopes</legend>{scopes.map((s) => <Check key={s} label={<code>{s}</code>} checked={chosen.includes(s)} onChange={(on) => setChosen(on ? [...chosen, s] : chosen.filter((c) => c !== s))} />)}</fieldset>
      <Field label="Call these scripts" hint="Names, with commas: invoke:NAME." fault={error?.fault("scopes")}><Input value={invoke} onInput={setInvoke} mono /></Field>
    </>}
    <Field label="Ends" fault={error?.fault("expires_at")}><Select value={days} onChange={setDays} options={[["", "never"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"]]} /></Field>
    <div class="foot"><Button type="submit" kind="primary" disabled={busy}>Make</Button></div>
    {key ? <Notice kind="good"><div>It is shown this once:</div><Code text={key} label="The new key" /></Notice> : null}
  </>}</Form></Panel>;
}
