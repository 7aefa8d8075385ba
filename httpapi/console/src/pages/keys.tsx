import { useState } from "preact/hooks";
import { call, type Key, may } from "../lib/api";
import { usePages } from "../lib/data";
import { Button, Code, confirm, Field, Form, Input, List, Notice, PageHead, Panel, Select, Tag, Time } from "../ui";

export default function Keys() {
  const pages = usePages("GET /api-keys");
  const remove = async (k: Key) => {
    if (!await confirm(`Delete the key ${k.name}?`, { text: "Sessions that were begun with it end.", action: "Delete", danger: true })) return;
    await call("DELETE /api-keys/{id}", { path: { id: k.id } });
    await pages.reload();
  };
  return <>
    <PageHead title="API keys" />
    <div class="columns">
      <List pages={pages} label="API keys" rowKey={(k) => k.id} columns={[
        { title: "Name", cell: (k) => k.name },
        { title: "May", cell: (k) => k.scopes.length ? <span class="row">{k.scopes.map((s) => <Tag key={s}>{s}</Tag>)}</span> : <Tag>{k.role}</Tag> },
        { title: "Prefix", cell: (k) => <code>{k.prefix}</code>, wide: true },
        { title: "Made", cell: (k) => <Time at={k.created_at} style="ago" />, wide: true },
        { title: "Used", cell: (k) => <Time at={k.last_used_at} style="ago" /> },
        { title: "", right: true, cell: (k) => may("DELETE /api-keys/{id}") ? <Button small kind="danger" onClick={() => remove(k)}>Delete</Button> : null },
      ]} />
      {may("POST /api-keys") ? <NewKey made={pages.reload} /> : null}
    </div>
  </>;
}

function NewKey({ made }: { made: () => unknown }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("developer");
  const [key, setKey] = useState("");
  return <Panel title="New key"><Form onSubmit={async () => {
    const k = await call("POST /api-keys", { body: { name, role: role as "viewer" } });
    setKey(k.key);
    setName("");
    made();
  }}>{({ busy, error }) => <>
    <Field label="Name" fault={error?.fault("name")}><Input value={name} onInput={setName} /></Field>
    <Field label="Role" fault={error?.fault("role")}><Select value={role} onChange={setRole} options={["admin", "developer", "viewer"]} /></Field>
    <div class="foot"><Button type="submit" kind="primary" disabled={busy}>Make</Button></div>
    {key ? <Notice kind="good"><div>It is shown this once:</div><Code text={key} label="The new key" /></Notice> : null}
  </>}</Form></Panel>;
}
