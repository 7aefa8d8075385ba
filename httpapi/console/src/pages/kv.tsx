import { useState } from "preact/hooks";
import { call, may } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { bytes, parseJSON, pretty } from "../lib/format";
import { href, useQuery } from "../lib/router";
import { Button, confirm, Dialog, Empty, Facts, Field, Form, Input, JSONBlock, List, PageHead, SearchInput, Shown, TextArea, Time, toast } from "../ui";

export default function KV() {
  const [q, set] = useQuery();
  const pages = usePages("GET /kv", { query: { prefix: q.prefix ?? "" } });
  const [adding, setAdding] = useState(false);
  const folders = [...new Set((pages.items ?? []).map((k) => k.key.slice((q.prefix ?? "").length)).filter((k) => k.includes("/")).map((k) => k.slice(0, k.indexOf("/") + 1)))].slice(0, 12);
  return <>
    <PageHead title="Key-value store" actions={may("PUT /kv/{key}") ? <Button kind="primary" onClick={() => setAdding(true)}>New key</Button> : null} />
    <div class="filters">
      <SearchInput key={q.prefix ?? ""} value={q.prefix ?? ""} onSearch={(prefix) => set({ prefix })} placeholder="Keys that begin with" />
      {q.prefix ? <Button kind="quiet" onClick={() => set({ prefix: (q.prefix ?? "").replace(/[^/]*\/?$/, "") || null })}>Up</Button> : null}
      {folders.map((f) => <Button small key={f} onClick={() => set({ prefix: (q.prefix ?? "") + f })}>{f}</Button>)}
    </div>
    <List pages={pages} label="Keys" rowKey={(k) => k.key} href={(k) => href("/kv", { ...q, key: k.key })} empty={<Empty title={q.prefix ? "No key begins so." : "No keys."}>Scripts write them with <code>kv.put</code>, programs by the API.</Empty>} columns={[
      { title: "Key", cell: (k) => <code style={{ overflowWrap: "anywhere" }}>{k.key}</code> },
      { title: "Size", cell: (k) => bytes(k.size_bytes), right: true },
      { title: "Written", cell: (k) => <Time at={k.updated_at} style="ago" />, right: true, wide: true },
      { title: "Expires", cell: (k) => <Time at={k.expires_at} style="ago" />, right: true, wide: true },
    ]} />
    {q.key !== undefined ? <Entry name={q.key} onClose={async (changed) => { set({ key: null }); if (changed) await pages.reload(); }} /> : null}
    {adding ? <Dialog title="New key" onClose={() => setAdding(false)}><Put onDone={async () => { setAdding(false); await pages.reload(); }} /></Dialog> : null}
  </>;
}

function Entry({ name, onClose }: { name: string; onClose: (changed: boolean) => Promise<void> }) {
  const loaded = useLoad("GET /kv/{key}", { path: { key: name } });
  const [editing, setEditing] = useState(false);
  const remove = async () => {
    if (!await confirm(`Delete ${name}?`, { action: "Delete", danger: true })) return;
    await call("DELETE /kv/{key}", { path: { key: name } });
    await onClose(true);
  };
  return <Dialog title={name} onClose={() => onClose(false)} large><Shown of={loaded}>{(e) => editing
    ? <Put name={name} value={pretty(e.value)} metadata={e.metadata} expires={e.expires_at} onDone={() => onClose(true)} />
    : <div class="stack">
      <JSONBlock value={e.value} label="Value" />
      {e.metadata !== null && e.metadata !== undefined ? <><h3>Metadata</h3><JSONBlock value={e.metadata} label="Metadata" /></> : null}
      <Facts of={{ Size: bytes(e.size_bytes), Written: <Time at={e.updated_at} />, Expires: e.expires_at ? <Time at={e.expires_at} /> : "never" }} />
      <div class="row" style={{ justifyContent: "flex-end" }}>
        {may("DELETE /kv/{key}") ? <Button kind="danger" onClick={remove}>Delete</Button> : null}
        {may("PUT /kv/{key}") ? <Button onClick={() => setEditing(true)}>Edit</Button> : null}
      </div>
    </div>}</Shown></Dialog>;
}

function Put({ name, value: before = "", metadata, expires, onDone }: { name?: string; value?: string; metadata?: unknown; expires?: string | null; onDone: () => unknown }) {
  const [key, setKey] = useState(name ?? "");
  const [value, setValue] = useState(before);
  const [ttl, setTTL] = useState(expires ? String(Math.max(1, Math.round((Date.parse(expires) - Date.now()) / 1000))) : "");
  return <Form onSubmit={async () => {
    const parsed = parseJSON(value);
    if (parsed.error) throw new Error(parsed.error);
    await call("PUT /kv/{key}", { path: { key }, body: { value: parsed.value, ...(metadata === null || metadata === undefined ? {} : { metadata }), ...(ttl.trim() ? { expiration_ttl: Number(ttl) } : {}) } });
    toast("Written.");
    await onDone();
  }}>{({ busy, error }) => <>
    {name === undefined ? <Field label="Key" fault={error?.fault("key")}><Input value={key} onInput={setKey} mono /></Field> : null}
    <Field label="Value" hint="JSON: a text is in quotation marks." fault={error?.fault("value")}><TextArea value={value} onInput={setValue} rows={10} /></Field>
    <Field label="Lives for" hint="Seconds. Empty: it stays." fault={error?.fault("expiration_ttl")}><Input value={ttl} onInput={setTTL} /></Field>
    <div class="foot"><Button type="submit" kind="primary" disabled={busy}>Write</Button></div>
  </>}</Form>;
}
