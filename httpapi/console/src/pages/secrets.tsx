import { useState } from "preact/hooks";
import { call, may, type Secret } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { Button, confirm, Dialog, Empty, Field, Form, Input, List, PageHead, Panel, Shown, Table, Tag, TextArea, Time, toast } from "../ui";

export default function Secrets() {
  return <>
    <PageHead title="Secrets and vars" />
    <div class="stack">
      {may("GET /secrets") ? <SecretList /> : null}
      {may("GET /vars") ? <Vars /> : null}
    </div>
  </>;
}

function SecretList() {
  const pages = usePages("GET /secrets");
  const [put, setPut] = useState<Partial<Secret> | null>(null);
  const remove = async (s: Secret) => {
    if (!await confirm(`Delete ${s.name}?`, { text: "Scripts that read it get undefined from their next execution on.", action: "Delete", danger: true })) return;
    await call("DELETE /secrets/{name}", { path: { name: s.name } });
    await pages.reload();
  };
  return <>
    <Panel title="Secrets" flush actions={may("PUT /secrets/{name}") ? <Button small onClick={() => setPut({})}>New secret</Button> : null}>
      <List pages={pages} label="Secrets" rowKey={(s) => s.name} empty={<Empty title="No secrets.">A script reads them as <code>env.NAME</code>. Nobody sees a value again.</Empty>} columns={[
        { title: "Name", cell: (s) => <code>{s.name}</code>, text: true },
        { title: "Scripts", cell: (s) => s.scripts ? <span class="row">{s.scripts.map((n) => <Tag key={n}>{n}</Tag>)}</span> : <span class="faint">all</span>, wide: true },
        { title: "Hosts", cell: (s) => s.hosts ? <span class="row">{s.hosts.map((n) => <Tag key={n} kind="info">{n}</Tag>)}</span> : <span class="faint">scripts see the value</span>, wide: true },
        { title: "Changed", cell: (s) => <Time at={s.updated_at} style="ago" />, wide: true },
        { title: "", right: true, cell: (s) => <span class="row nowrap end">
          {may("PUT /secrets/{name}") ? <Button small onClick={() => setPut(s)}>Replace</Button> : null}
          {may("DELETE /secrets/{name}") ? <Button small kind="danger" onClick={() => remove(s)}>Delete</Button> : null}
        </span> },
      ]} />
    </Panel>
    {put ? <PutSecret before={put} onClose={() => setPut(null)} done={async () => { setPut(null); await pages.reload(); }} /> : null}
  </>;
}

const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

function PutSecret({ before, onClose, done }: { before: Partial<Secret>; onClose: () => void; done: () => unknown }) {
  const [name, setName] = useState(before.name ?? "");
  const [value, setValue] = useState("");
  const [scripts, setScripts] = useState(before.scripts?.join(", ") ?? "");
  const [hosts, setHosts] = useState(before.hosts?.join(", ") ?? "");
  return <Dialog title={before.name ? `Replace ${before.name}` : "New secret"} onClose={onClose}><Form onSubmit={async () => {
    await call("PUT /secrets/{name}", { path: { name }, body: { value, ...(words(scripts).length ? { scripts: words(scripts) } : {}), ...(words(hosts).length ? { hosts: words(hosts) } : {}) } });
    toast("Kept.");
    await done();
  }}>{({ busy, error }) => <>
    {before.name ? null : <Field label="Name" fault={error?.fault("name")}><Input value={name} onInput={setName} mono placeholder="STRIPE_KEY" /></Field>}
    <Field label="Value" hint="It is not shown again." fault={error?.fault("value")}><Input value={value} onInput={setValue} type="password" autoComplete="new-password" /></Field>
    <Field label="Scripts" hint="Names, with commas. Empty: all scripts have it." fault={error?.fault("scripts")}><Input value={scripts} onInput={setScripts} /></Field>
    <Field label="Hosts" hint="With hosts, no script sees the value: the node puts it into requests to these hosts." fault={error?.fault("hosts")}><Input value={hosts} onInput={setHosts} placeholder="api.stripe.com" /></Field>
    <div class="foot"><Button onClick={onClose}>Cancel</Button><Button type="submit" kind="primary" disabled={busy}>Keep</Button></div>
  </>}</Form></Dialog>;
}

function Vars() {
  const loaded = useLoad("GET /vars");
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const remove = async (n: string) => {
    if (!await confirm(`Delete ${n}?`, { action: "Delete", danger: true })) return;
    await call("DELETE /vars/{name}", { path: { name: n } });
    await loaded.reload();
  };
  return <Panel title="Vars" flush><Shown of={loaded}>{(v) => <>
    {Object.keys(v.vars).length ? <Table label="Vars" rows={Object.entries(v.vars)} rowKey={([n]) => n} columns={[
      { title: "Name", cell: ([n]) => <code>{n}</code> },
      { title: "Value", cell: ([, text]) => <code>{text}</code>, text: true },
      { title: "", right: true, cell: ([n, text]) => <span class="row nowrap end">
        {may("PUT /vars/{name}") ? <Button small onClick={() => { setName(n); setValue(text); }}>Edit</Button> : null}
        {may("DELETE /vars/{name}") ? <Button small kind="danger" onClick={() => remove(n)}>Delete</Button> : null}
      </span> },
    ]} /> : <Empty title="No vars.">Plain values, which all scripts read as <code>env.NAME</code>.</Empty>}
    {may("PUT /vars/{name}") ? <div class="pad ruled"><Form onSubmit={async () => {
      await call("PUT /vars/{name}", { path: { name }, body: { value } });
      setName("");
      setValue("");
      await loaded.reload();
    }}>{({ busy, error }) => <>
      <div class="pair">
        <Field label="Name" fault={error?.fault("name")}><Input value={name} onInput={setName} mono placeholder="REGION" /></Field>
        <Field label="Value" fault={error?.fault("value")}><TextArea value={value} onInput={setValue} rows={1} /></Field>
      </div>
      <div class="foot"><Button type="submit" kind="primary" disabled={busy}>Set</Button></div>
    </>}</Form></div> : null}
  </>}</Shown></Panel>;
}
