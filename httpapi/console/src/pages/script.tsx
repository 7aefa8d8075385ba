// One script: its code, its versions, its settings, runs by hand.

import { useState } from "preact/hooks";
import { call, callWithETag, type Script, may } from "../lib/api";
import { useLoad } from "../lib/data";
import { go, href, useQuery } from "../lib/router";
import { moves } from "../lib/script";
import type { PageProps } from "../routes";
import { About } from "../script/about";
import { Code } from "../script/code";
import { Run } from "../script/run";
import { Settings } from "../script/settings";
import { Versions } from "../script/versions";
import { Button, ButtonLink, confirm, Notice, PageHead, Shown, Status, Tabs, Tag, Time, toast } from "../ui";

export default function ScriptPage({ params }: PageProps) {
  const loaded = useLoad("GET /scripts/{id}", { path: { id: params.id ?? "" } });
  return <Shown of={loaded}>{(script) => <One script={script} etag={loaded.etag} reload={loaded.reload} set={loaded.set} />}</Shown>;
}

function One({ script, etag, reload, set }: { script: Script; etag: string | null; reload: () => Promise<void>; set: (s: Script, etag: string | null) => void }) {
  const [query, setQuery] = useQuery();
  const tab = query.tab || "code";
  // A part that was opened stays, hidden, so that what was typed there is kept while another is looked at.
  const [opened, setOpened] = useState<string[]>([tab]);
  const open = (v: string) => { setOpened((o) => (o.includes(v) ? o : [...o, v])); setQuery({ tab: v === "code" ? null : v, version: null, against: null }); };
  const shown = opened.includes(tab) ? opened : [...opened, tab];
  const tabs: [string, string][] = [["code", "Code"], ["versions", `Versions (${script.latest_version})`], ["settings", "Settings"]];
  if (may("POST /scripts/{id}/executions")) tabs.push(["run", script.type === "http" ? "Test" : "Run"]);
  const part = (name: string) => {
    if (name === "code") return <div class="columns"><Code script={script} etag={etag} onSaved={set} /><About script={script} /></div>;
    if (name === "versions") return <Versions script={script} onChanged={reload} />;
    if (name === "settings") return <Settings script={script} etag={etag} onSaved={set} />;
    return <Run script={script} />;
  };
  return <div class="script-page">
    <PageHead title={script.name} crumbs={[["Scripts", href("/scripts")]]} actions={<Actions script={script} etag={etag} set={set} reload={reload} />}>
      <span class="row"><Status value={script.status} /><Tag>{script.type}</Tag><span class="faint">version {script.version}</span>
        {script.candidate ? <Tag kind="info">{`${script.candidate.percent} % on version ${script.candidate.version}`}</Tag> : null}
        {(script.tags ?? []).map((t) => <Tag key={t}>{t}</Tag>)}</span>
    </PageHead>
    {script.quarantined_until && new Date(script.quarantined_until) > new Date() ? <Notice kind="bad"><div>It is not run until <Time at={script.quarantined_until} />: {script.quarantine_reason}</div>
      {may("POST /scripts/{id}/release") ? <div><Button small onClick={async () => { const r = await callWithETag("POST /scripts/{id}/release", { path: { id: script.id } }); set(r.value, r.etag); toast("It runs again."); }}>Release it</Button></div> : null}</Notice> : null}
    <Tabs label="Parts of the script" value={tab} onChange={open} items={tabs} />
    {shown.map((name) => <div key={name} role="tabpanel" hidden={name !== tab} aria-label={name}>{part(name)}</div>)}
  </div>;
}

function Actions({ script, etag, set, reload }: { script: Script; etag: string | null; set: (s: Script, etag: string | null) => void; reload: () => Promise<void> }) {
  const move = async (status: string) => {
    if (status === "archived" && !await confirm(`Archive ${script.name}?`, { text: "It stops, and can be brought back as a draft.", action: "Archive", danger: true })) return;
    const r = await callWithETag("PATCH /scripts/{id}", { path: { id: script.id }, body: { status } as never, ifMatch: etag }).catch(async (e: unknown) => { await reload(); throw e; });
    set(r.value, r.etag);
    toast(status === "active" ? "It is active." : `It is ${status}.`);
  };
  const remove = async () => {
    if (!await confirm(`Delete ${script.name}?`, { text: "Its versions, executions and dead letters go with it. This cannot be undone.", action: "Delete", danger: true, typed: script.name })) return;
    await call("DELETE /scripts/{id}", { path: { id: script.id } });
    toast(`${script.name} is deleted.`);
    void go(href("/scripts"));
  };
  return <>
    {may("GET /executions") ? <ButtonLink to={href("/executions", { script_id: script.id })}>Executions</ButtonLink> : null}
    {may("GET /logs/tail") ? <ButtonLink to={href("/logs", { script_id: script.id })}>Live log</ButtonLink> : null}
    {may("PATCH /scripts/{id}") ? (moves[script.status] ?? []).map(([s, name]) => <Button key={s} kind={s === "active" ? "primary" : ""} onClick={() => move(s)}>{name}</Button>) : null}
    {may("DELETE /scripts/{id}") ? <Button kind="danger" onClick={remove}>Delete</Button> : null}
  </>;
}
