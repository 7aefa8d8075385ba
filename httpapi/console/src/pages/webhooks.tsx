import { useState } from "preact/hooks";
import { call, may, type Webhook, type WebhookCreate } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { href } from "../lib/router";
import type { PageProps } from "../routes";
import { Button, Check, Code, confirm, Empty, Facts, Field, Form, Input, JSONBlock, List, Notice, PageHead, Panel, Shown, Status, Tag, Time, toast } from "../ui";

const events: WebhookCreate["events"] = ["script.failing", "script.recovered", "script.quarantined", "breaker.opened", "rollout.reverted", "dead_letter.created", "quota.warning", "quota.exceeded", "schedule.missed"];

export default function Webhooks() {
  const pages = usePages("GET /webhooks");
  return <>
    <PageHead title="Webhooks" />
    <div class="columns">
      <List pages={pages} label="Webhooks" rowKey={(w) => w.id} href={(w) => href(`/webhooks/${w.id}`)} empty={<Empty title="No webhooks.">A webhook tells another system when a script fails, recovers or is taken back.</Empty>} columns={[
        { title: "URL", cell: (w) => <code style={{ overflowWrap: "anywhere" }}>{w.url}</code> },
        { title: "Events", cell: (w) => <span class="row">{w.events.map((e) => <Tag key={e}>{e}</Tag>)}</span>, wide: true },
        { title: "State", cell: (w) => <Status value={w.disabled_at ? "disabled" : "active"} /> },
      ]} />
      {may("POST /webhooks") ? <NewWebhook made={pages.reload} /> : null}
    </div>
  </>;
}

function NewWebhook({ made }: { made: () => unknown }) {
  const [url, setURL] = useState("");
  const [chosen, setChosen] = useState<WebhookCreate["events"]>(["script.failing", "script.recovered"]);
  const [secret, setSecret] = useState("");
  return <Panel title="New webhook"><Form onSubmit={async () => {
    const w = await call("POST /webhooks", { body: { url, events: chosen } });
    setSecret(w.secret);
    setURL("");
    made();
  }}>{({ busy, error }) => <>
    <Field label="URL" fault={error?.fault("url")}><Input value={url} onInput={setURL} type="url" placeholder="https://ops.example.com/hooks" /></Field>
    <fieldset class="scopes"><legend>Events</legend>{events.map((e) => <Check key={e} label={<code>{e}</code>} checked={chosen.includes(e)} onChange={(on) => setChosen(on ? [...chosen, e] : chosen.filter((c) => c !== e))} />)}</fieldset>
    <div class="foot"><Button type="submit" kind="primary" disabled={busy}>Make</Button></div>
    {secret ? <Notice kind="good"><div>Deliveries are signed with this secret. It is shown this once:</div><Code text={secret} label="The webhook's secret" /></Notice> : null}
  </>}</Form></Panel>;
}

export function WebhookPage({ params }: PageProps) {
  const id = params.id ?? "";
  const loaded = useLoad("GET /webhooks/{id}", { path: { id } });
  const deliveries = usePages("GET /webhooks/{id}/deliveries", { path: { id } }, { every: 3000 });
  const remove = async (w: Webhook) => {
    if (!await confirm(`Delete the webhook of ${w.url}?`, { text: "Deliveries that are under way are given up.", action: "Delete", danger: true })) return;
    await call("DELETE /webhooks/{id}", { path: { id } });
    history.back();
  };
  const redriveAll = async () => { await call("POST /webhooks/{id}/redrive", { path: { id } }); toast("Under way again."); await loaded.reload(); await deliveries.reload(); };
  return <Shown of={loaded}>{(w) => <>
    <PageHead title="Webhook" crumbs={[["Webhooks", href("/webhooks")]]} actions={<>
      {may("POST /webhooks/{id}/test") ? <Button onClick={async () => { await call("POST /webhooks/{id}/test", { path: { id } }); toast("A test is under way."); await deliveries.reload(); }}>Test</Button> : null}
      {may("POST /webhooks/{id}/redrive") ? <Button onClick={redriveAll}>Send failed ones again</Button> : null}
      {may("DELETE /webhooks/{id}") ? <Button kind="danger" onClick={() => remove(w)}>Delete</Button> : null}
    </>}><Status value={w.disabled_at ? "disabled" : "active"} /></PageHead>
    <div class="columns">
      <List pages={deliveries} label="Deliveries" rowKey={(d) => d.id} empty={<Empty title="Nothing was sent yet.">Test sends an event by hand.</Empty>} columns={[
        { title: "Event", cell: (d) => <details><summary><code>{d.event}</code></summary><JSONBlock value={d.payload} label={`Payload of ${d.event}`} /></details> },
        { title: "State", cell: (d) => <span class="row"><Status value={d.status} />{d.response_status ? <Tag kind={d.response_status < 300 ? "good" : "bad"}>{d.response_status}</Tag> : null}</span> },
        { title: "Why", cell: (d) => <span class="soft" style={{ overflowWrap: "anywhere" }}>{d.error}</span>, wide: true },
        { title: "Attempts", cell: (d) => d.attempts, right: true, wide: true },
        { title: "Next", cell: (d) => <Time at={d.next_attempt_at} style="ago" />, wide: true },
        { title: "Made", cell: (d) => <Time at={d.created_at} style="ago" />, right: true },
        { title: "", right: true, cell: (d) => d.status === "failed" && may("POST /webhooks/{id}/deliveries/{delivery}/redrive")
          ? <Button small onClick={async () => { await call("POST /webhooks/{id}/deliveries/{delivery}/redrive", { path: { id, delivery: d.id } }); await deliveries.reload(); }}>Again</Button> : null },
      ]} />
      <Panel title="Facts"><Facts of={{ URL: <code>{w.url}</code>, Made: <Time at={w.created_at} />, Disabled: w.disabled_at ? <Time at={w.disabled_at} /> : null, Events: <span class="row end">{w.events.map((e) => <Tag key={e}>{e}</Tag>)}</span> }} /></Panel>
    </div>
  </>}</Shown>;
}
