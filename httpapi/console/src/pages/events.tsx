import { useState } from "preact/hooks";
import { call, may } from "../lib/api";
import { usePages } from "../lib/data";
import { parseJSON, plural } from "../lib/format";
import { href, Link } from "../lib/router";
import { Button, Empty, Field, Form, Input, List, PageHead, Panel, Status, TextArea, toast } from "../ui";

export default function Events() {
  const pages = usePages("GET /event-subscriptions");
  return <>
    <PageHead title="Events" />
    <div class="columns">
      <List pages={pages} label="Event subscriptions" href={(s) => href(`/scripts/${s.script_id}`)} rowKey={(s) => s.id} empty={<Empty title="No subscriptions.">A script of the type event has them.</Empty>} columns={[
        { title: "Event type", cell: (s) => <code>{s.event_type}</code> },
        { title: "Script", cell: (s) => s.script_name || s.script_id },
        { title: "State", cell: (s) => <Status value={s.is_active ? "active" : "paused"} /> },
      ]} />
      {may("POST /events") ? <Publish /> : null}
    </div>
  </>;
}

function Publish() {
  const [type, setType] = useState("");
  const [data, setData] = useState("{}");
  const [published, setPublished] = useState("");
  return <Panel title="Publish an event"><Form onSubmit={async () => {
    const { value, error } = parseJSON(data);
    if (error) throw new Error(error);
    const r = await call("POST /events", { body: { type, data: value } });
    setPublished(r.event_id);
    toast(r.duplicate ? "This event was published before." : `Published: ${plural(r.executions, "execution")}.`);
  }}>{({ busy, error }) => <>
    <Field label="Type" fault={error?.fault("type")}><Input value={type} onInput={setType} placeholder="user.created" mono /></Field>
    <Field label="Data" fault={error?.fault("data")}><TextArea value={data} onInput={setData} rows={6} /></Field>
    <div class="foot">{published ? <Link to={href("/executions", { event_id: published })}>What it started</Link> : null}<Button type="submit" kind="primary" disabled={busy}>Publish</Button></div>
  </>}</Form></Panel>;
}
