import { useState } from "preact/hooks";
import { call, may } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { parseJSON, plural, pretty } from "../lib/format";
import { go, href, Link, useQuery } from "../lib/router";
import { Button, Code, confirm, Dialog, Empty, Facts, Field, Form, Input, JSONBlock, List, Notice, PageHead, SearchInput, Shown, Tag, TextArea, Time, toast } from "../ui";

export default function DeadLetters() {
  const [q, set] = useQuery();
  const filter = { script_id: q.script_id ?? "", event_type: q.event_type ?? "" };
  const pages = usePages("GET /dead-letters", { query: filter }, { every: 5000 });
  const [many, setMany] = useState(false);
  const filtered = Object.values(filter).some(Boolean);
  const close = async () => { set({ id: null }); await pages.reload(); };
  return <>
    <PageHead title="Dead letters" actions={may("POST /dead-letters/retry") && pages.items?.length ? <Button onClick={() => setMany(true)}>Send many again</Button> : null} />
    <div class="filters">
      <SearchInput value={filter.event_type} onSearch={(event_type) => set({ event_type })} placeholder="Event type" />
      {filtered ? <Button kind="quiet" onClick={() => set({ script_id: null, event_type: null })}>Clear</Button> : null}
    </div>
    <List pages={pages} label="Dead letters" rowKey={(d) => d.id ?? ""} href={(d) => href("/dead-letters", { ...q, id: d.id })}
      empty={<Empty title={filtered ? "No dead letter is like that." : "No dead letters."}>{filtered ? null : "Events that no attempt could handle are kept here."}</Empty>} columns={[
        { title: "Event", cell: (d) => <code>{d.event_type}</code> },
        { title: "Script", cell: (d) => <span class="row nowrap"><span>{d.script_name || d.script_id}</span>{filter.script_id ? null : <Button small kind="quiet" onClick={() => set({ script_id: d.script_id })} label={`Only those of ${d.script_name}`}>only</Button>}</span> },
        { title: "Error", cell: (d) => <span class="error-message">{d.error}</span>, wide: true, text: true },
        { title: "Retries", cell: (d) => d.retry_count, right: true, wide: true },
        { title: "Since", cell: (d) => <Time at={d.created_at} style="ago" />, right: true },
      ]} />
    {q.id ? <Letter id={q.id} onClose={close} /> : null}
    {many ? <SendMany filter={filter} onClose={async () => { setMany(false); await pages.reload(); }} /> : null}
  </>;
}

/** Letter is one dead letter: what it was, why it ended here, and the ways on. */
function Letter({ id, onClose }: { id: string; onClose: () => Promise<void> }) {
  const loaded = useLoad("GET /dead-letters/{id}", { path: { id } });
  const [edited, setEdited] = useState<string | null>(null);
  const [version, setVersion] = useState("");
  const send = async () => {
    const body: { data?: unknown; version?: number } = {};
    if (edited !== null) {
      const { value, error } = parseJSON(edited);
      if (error) throw new Error(error);
      body.data = value;
    }
    if (version.trim()) body.version = Number(version);
    const r = await call("POST /dead-letters/{id}/retry", { path: { id }, body });
    toast("Under way again.");
    await go(href(`/executions/${r.execution_id}`));
  };
  const remove = async () => {
    if (!await confirm("Delete this dead letter?", { text: "The event is not handled any more.", action: "Delete", danger: true })) return;
    await call("DELETE /dead-letters/{id}", { path: { id } });
    await onClose();
  };
  return <Dialog title="Dead letter" onClose={onClose} large><Shown of={loaded}>{(d) => <Form onSubmit={send}>{({ busy, error }) => <>
    <Facts of={{
      Event: <code>{d.event_type}</code>, Script: <Link to={href(`/scripts/${d.script_id}`)}>{d.script_name || d.script_id}</Link>, Since: <Time at={d.created_at} />,
      Retries: d.retry_count, "Last attempt": d.execution_id ? <Link to={href(`/executions/${d.execution_id}`)}>its log and stack</Link> : null,
      "Redrive": d.retry_execution_id ? <Link to={href(`/executions/${d.retry_execution_id}`)}>the latest</Link> : null,
    }} />
    <Notice kind="bad"><div class="row">{d.error_code ? <Tag kind="bad">{d.error_code}</Tag> : null}</div><Code text={d.error} label="Error" /></Notice>
    {d.bodies_hidden ? <Notice>Its data is not shown to your role.</Notice>
      : edited === null ? <JSONBlock value={d.event_data} label="Data of the event" />
      : <Field label="Data" fault={error?.fault("data")} hint="The event is handled with this data. The letter keeps its own until that has succeeded."><TextArea value={edited} onInput={setEdited} rows={10} /></Field>}
    {may("POST /dead-letters/{id}/retry") ? <Field label="Version" fault={error?.fault("version")} hint="Empty: the version that is live."><Input value={version} onInput={setVersion} placeholder="live" /></Field> : null}
    <div class="foot">
      {may("DELETE /dead-letters/{id}") ? <Button kind="danger" onClick={remove}>Delete</Button> : null}
      {may("POST /dead-letters/{id}/retry") ? <>
        {d.bodies_hidden ? null : edited === null ? <Button onClick={() => setEdited(pretty(d.event_data))}>Edit</Button> : <Button onClick={() => setEdited(null)}>Keep as it was</Button>}
        <Button type="submit" kind="primary" disabled={busy}>{edited === null ? "Send again" : "Send edited"}</Button>
      </> : null}
    </div>
  </>}</Form>}</Shown></Dialog>;
}

/** SendMany redrives by filter, onto a version, and says how many it would be before it does it. */
function SendMany({ filter, onClose }: { filter: { script_id: string; event_type: string }; onClose: () => Promise<void> }) {
  const [version, setVersion] = useState("");
  const [code, setCode] = useState("");
  const [would, setWould] = useState<number | null>(null);
  const body = {
    ...(filter.script_id ? { script_id: filter.script_id } : {}), ...(filter.event_type ? { event_type: filter.event_type } : {}),
    ...(code.trim() ? { error_code: code.trim() } : {}), ...(version.trim() ? { version: Number(version) } : {}),
  };
  const change = (f: (v: string) => void) => (v: string) => { f(v); setWould(null); };
  return <Dialog title="Send dead letters again" onClose={onClose}><Form onSubmit={async () => {
    const r = await call("POST /dead-letters/retry", { body: { ...body, dry_run: would === null } });
    if (would === null) { setWould(r.retried); return; }
    toast(`${plural(r.retried, "dead letter")} under way again.`);
    await onClose();
  }}>{({ busy, error }) => <>
    <p class="soft">{filter.script_id ? "Of the script that the list is filtered by" : "Of every script"}{filter.event_type ? <>, events <code>{filter.event_type}</code></> : null}; at most 1,000 at a time, the newest first.</p>
    <div class="pair">
      <Field label="Error code" fault={error?.fault("error_code")} hint="Empty: any."><Input value={code} onInput={change(setCode)} placeholder="any" /></Field>
      <Field label="Version" fault={error?.fault("version")} hint="Needs one script."><Input value={version} onInput={change(setVersion)} placeholder="live" disabled={!filter.script_id} /></Field>
    </div>
    {would === null ? null : would === 0 ? <Notice>No dead letter is like that.</Notice> : <Notice kind="warn">{plural(would, "dead letter")} will be sent again.</Notice>}
    <div class="foot"><Button onClick={onClose}>Cancel</Button><Button type="submit" kind="primary" disabled={busy || would === 0}>{would === null ? "How many?" : `Send ${plural(would, "dead letter")}`}</Button></div>
  </>}</Form></Dialog>;
}
