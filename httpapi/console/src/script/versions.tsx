// Versions: what differs, what is live and for how many, how a rollout goes, what went live before, and how a version does on the last inputs.

import { useEffect, useState } from "preact/hooks";
import { call, may, type Comparison, type Deployment, type Script, type Version } from "../lib/api";
import { useEvery, useLoad, usePages } from "../lib/data";
import { count, ms, percent, pretty } from "../lib/format";
import { href, Link, useQuery } from "../lib/router";
import { Button, confirm, Dialog, Empty, Facts, Failure, Field, Form, Input, List, Loading, Meter, Notice, Panel, Select, Status, Tag, Time, toast } from "../ui";
import { SourceDiff } from "./conflict";
import { sourceOf } from "./source";

const shareOf = (p: number) => `${Number(p.toFixed(2))} %`;

export function Versions({ script, onChanged }: { script: Script; onChanged: () => Promise<void> }) {
  const [query, setQuery] = useQuery();
  const versions = usePages("GET /scripts/{id}/versions", { path: { id: script.id } });
  const deployments = usePages("GET /scripts/{id}/deployments", { path: { id: script.id } }, { every: script.candidate ? 3000 : 0 });
  const users = useLoad("GET /users", { query: { limit: 200 } }, { skip: !may("GET /users") });
  const chosen = Number(query.version) || script.candidate?.version || script.latest_version;
  const reload = async () => { await Promise.all([onChanged(), versions.reload(), deployments.reload()]); };
  useEffect(() => { void versions.reload(); void deployments.reload(); }, [script.version, script.candidate?.percent, script.latest_version]);
  // The rollout may be taken back by itself.
  useEvery(script.candidate ? 3000 : 0, onChanged);
  const user = (id: number | null | undefined) => id ? users.data?.items.find((u) => u.id === id)?.name ?? `user ${id}` : null;
  const running = deployments.items?.find((d) => d.status === "active" && d.percent < 100);
  const last = deployments.items?.[0];

  return <div class="stack">
    {script.candidate ? <Rollout script={script} deployment={running} onChanged={reload} /> : null}
    {!script.candidate && last?.status === "reverted" ? <Notice kind="bad">Version {last.version} was taken back{last.ended_at ? <> at <Time at={last.ended_at} /></> : null}: {last.reason}. Version {script.version} is live again.</Notice> : null}
    <div class="versions-grid">
      <Panel title="Versions" flush class="versions-list">
        {versions.items ? <ul>{versions.items.map((v) => <li key={v.version_number}>
          <button type="button" aria-pressed={v.version_number === chosen} onClick={() => setQuery({ version: String(v.version_number), against: null })}>
            <span class="row"><b>{v.version_number}</b>{v.tag ? <Tag>{v.tag}</Tag> : null}{v.percent > 0 ? <Tag kind={v.version_number === script.version ? "good" : "info"}>{v.percent === 100 ? "live" : shareOf(v.percent)}</Tag> : null}<span class="push faint"><Time at={v.created_at} style="ago" /></span></span>
            <span class="faint clip">{v.change_description ?? ""}{user(v.created_by) ? ` · ${user(v.created_by)}` : ""}</span>
          </button></li>)}</ul> : versions.error ? <Failure error={versions.error} retry={versions.reload} /> : <Loading />}
        {versions.more ? <div class="more"><Button small onClick={versions.loadMore}>Show more</Button></div> : null}
      </Panel>
      <OneVersion key={chosen} script={script} number={chosen} versions={versions.items ?? []} onChanged={reload} />
    </div>
    <h2>Deployments</h2>
    <List pages={deployments} label="Deployments" empty={<Empty title="Nothing went live yet." />} rowKey={(d) => d.id} columns={[
      { title: "Version", cell: (d) => <>{d.version}{d.previous_version ? <span class="faint"> after {d.previous_version}</span> : null}</> },
      { title: "Share", right: true, cell: (d) => shareOf(d.percent) },
      { title: "State", cell: (d) => <><Tag kind={d.status === "active" ? "good" : d.status === "reverted" ? "bad" : ""}>{d.status}</Tag>{d.reason ? <span class="faint"> {d.reason}</span> : null}</> },
      { title: "Runs", right: true, wide: true, cell: (d) => d.percent < 100 ? `${count(d.runs)}, ${count(d.failures)} failed` : "–" },
      { title: "Since", cell: (d) => <Time at={d.created_at} /> },
      { title: "Until", wide: true, cell: (d) => <Time at={d.ended_at} /> },
      { title: "By", wide: true, cell: (d) => user(d.created_by) ?? "–" },
    ]} />
  </div>;
}

function Rollout({ script, deployment, onChanged }: { script: Script; deployment: Deployment | undefined; onChanged: () => Promise<void> }) {
  const candidate = script.candidate;
  if (!candidate) return null;
  const back = async () => {
    await call("POST /scripts/{id}/versions/{version}/activate", { path: { id: script.id, version: script.version }, body: {} as never });
    toast(`Version ${script.version} gets everything again.`);
    await onChanged();
  };
  const all = async () => {
    await call("POST /scripts/{id}/versions/{version}/activate", { path: { id: script.id, version: candidate.version }, body: { percent: 100 } as never });
    toast(`Version ${candidate.version} is live.`);
    await onChanged();
  };
  const rule = deployment?.auto_rollback;
  return <Panel title={`Version ${candidate.version} gets ${shareOf(candidate.percent)}`} class="rollout" actions={may("POST /scripts/{id}/versions/{version}/activate") ? <>
    <Button small onClick={back}>Take it back</Button><Button small kind="primary" onClick={all}>Give it everything</Button></> : undefined}>
    <div class="split-bar" role="img" aria-label={`${shareOf(candidate.percent)} of executions go to version ${candidate.version}, the others to ${script.version}`}>
      <span style={{ flexGrow: 100 - candidate.percent }}>v{script.version} · {shareOf(100 - candidate.percent)}</span>
      <span class="candidate" style={{ flexGrow: candidate.percent }}>v{candidate.version} · {shareOf(candidate.percent)}</span>
    </div>
    {deployment ? <Facts of={{
      "Executions of it that ended": count(deployment.runs),
      "Failed": `${count(deployment.failures)} (${percent(deployment.failures, deployment.runs)})`,
      "Taken back by itself": rule ? `over ${shareOf(rule.error_rate * 100)} failed, after ${count(rule.min_runs)} runs` : "no",
      "Since": <Time at={deployment.created_at} />,
    }} /> : null}
    {rule && deployment ? <Meter name="Runs until it is judged" used={Math.min(deployment.runs, rule.min_runs)} limit={rule.min_runs} format={count} /> : null}
  </Panel>;
}

function OneVersion({ script, number, versions, onChanged }: { script: Script; number: number; versions: Version[]; onChanged: () => Promise<void> }) {
  const [query, setQuery] = useQuery();
  const [activating, setActivating] = useState(false);
  const [comparing, setComparing] = useState(false);
  const [comparison, setComparison] = useState<string | null>(null);
  const before = versions.map((v) => v.version_number).filter((n) => n < number)[0];
  const against = Number(query.against) || (number !== script.version && number > script.version ? script.version : before ?? number);
  const is = useLoad("GET /scripts/{id}/versions/{version}", { path: { id: script.id, version: number } });
  const was = useLoad("GET /scripts/{id}/versions/{version}", { path: { id: script.id, version: against } });
  const v = is.data;
  const live = number === script.version;
  const mayActivate = may("POST /scripts/{id}/versions/{version}/activate");
  return <div class="stack">
    <Panel title={<>Version {number} {v?.tag ? <Tag>{v.tag}</Tag> : null} {live ? <Tag kind="good">live</Tag> : null}</>} actions={<>
      {may("POST /scripts/{id}/versions/{version}/compare") ? <Button small onClick={() => setComparing(true)}>Compare on last inputs…</Button> : null}
      {mayActivate && !(live && !script.candidate) ? <Button small kind="primary" onClick={() => setActivating(true)}>Activate…</Button> : null}
      {may("POST /scripts/{id}/versions/{version}/restore") && !live && number < script.latest_version ? <Button small onClick={async () => {
        if (!await confirm(`Restore version ${number}?`, { text: "Its source and settings become a new version, which goes live at once.", action: "Restore" })) return;
        const made = await call("POST /scripts/{id}/versions/{version}/restore", { path: { id: script.id, version: number }, body: {} });
        toast(`Version ${made.version_number} is live, made of version ${number}.`);
        setQuery({ version: null });
        await onChanged();
      }}>Restore</Button> : null}
    </>}>
      {is.error ? <Failure error={is.error} retry={is.reload} /> : null}
      <div class="row">
        <span class="faint">{v?.change_description}</span>
        {against === number ? <span class="faint push">There is no other version to compare it with.</span> : <label class="row push"><span class="faint nowrap">Difference from</span>
          <Select aria-label="Difference from" value={String(against)} onChange={(n) => setQuery({ version: String(number), against: n })} options={versions.filter((o) => o.version_number !== number).map((o): [string, string] => [String(o.version_number), `version ${o.version_number}${o.tag ? ` (${o.tag})` : ""}`])} /></label>}
      </div>
      {v && was.data ? <>
        {against === number ? <pre class="code-block" tabIndex={0}>{v.source}</pre> : <SourceDiff before={sourceOf(was.data)} after={sourceOf(v)} labels={[`Version ${against}`, `Version ${number}`]} />}
        <SettingsDiff before={was.data} after={v} />
      </> : <Loading />}
    </Panel>
    {activating ? <Activate script={script} number={number} onClose={() => setActivating(false)} onDone={async () => { setActivating(false); await onChanged(); }} /> : null}
    {comparing ? <StartComparison script={script} number={number} onClose={() => setComparing(false)} onStarted={(c) => { setComparing(false); setComparison(c.id); }} /> : null}
    {comparison ? <ComparisonResult id={comparison} /> : null}
  </div>;
}

const settings = ["resource_limits", "cron_expression", "timezone", "http_path", "http_methods", "event_types", "subscriptions", "http", "schedule", "schedules", "retry", "history", "egress", "kv_namespaces", "concurrency", "breaker"];

/** SettingsDiff lists the settings that two versions have differently. */
function SettingsDiff({ before, after }: { before: object; after: object }) {
  const a = before as Record<string, unknown>;
  const b = after as Record<string, unknown>;
  const changed = settings.filter((n) => JSON.stringify(a[n] ?? null) !== JSON.stringify(b[n] ?? null));
  if (!changed.length) return null;
  return <div class="stack tight differ"><h3>Settings that differ</h3><div class="table-scroll"><table aria-label="Settings that differ">
    <thead><tr><th scope="col">Setting</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
    <tbody>{changed.map((n) => <tr><td><code>{n}</code></td><td><pre>{pretty(a[n] ?? null)}</pre></td><td><pre>{pretty(b[n] ?? null)}</pre></td></tr>)}</tbody>
  </table></div></div>;
}

function Activate({ script, number, onClose, onDone }: { script: Script; number: number; onClose: () => void; onDone: () => Promise<void> }) {
  const [share, setShare] = useState(number === script.version ? "100" : "10");
  const [auto, setAuto] = useState(true);
  const [rate, setRate] = useState("5");
  const [runs, setRuns] = useState("50");
  const part = Number(share) < 100;
  const live = number === script.version;
  return <Dialog title={`Activate version ${number}`} onClose={onClose}>
    <Form onSubmit={async () => {
      const body = { percent: Number(share), ...(part && auto ? { auto_rollback: { error_rate: Number(rate) / 100, min_runs: Number(runs) } } : part ? { auto_rollback: null } : {}) };
      const d = await call("POST /scripts/{id}/versions/{version}/activate", { path: { id: script.id, version: number }, body: body as never });
      toast(d.percent < 100 ? `Version ${number} gets ${shareOf(d.percent)}.` : `Version ${number} is live.`);
      await onDone();
    }}>{({ busy, error }) => <>
      {live ? <p>It is live already: this ends the rollout beside it.</p> : <>
        <Field label="Share of executions, in percent" hint={part ? `The others stay on version ${script.version}.` : "It takes the place of the live version."} fault={error?.fault("percent")}><Input type="number" value={share} onInput={setShare} /></Field>
        <div class="row" role="group" aria-label="Usual shares">{["1", "10", "25", "50", "100"].map((n) => <Button small key={n} pressed={share === n} onClick={() => setShare(n)}>{n} %</Button>)}</div>
        {part ? <fieldset class="group">
          <legend><label class="check"><input type="checkbox" checked={auto} onChange={(e) => setAuto(e.currentTarget.checked)} />Take it back by itself when it fails too often</label></legend>
          {auto ? <div class="pair">
            <Field label="Failed executions, over percent" fault={error?.fault("auto_rollback.error_rate")}><Input type="number" value={rate} onInput={setRate} /></Field>
            <Field label="After so many runs" fault={error?.fault("auto_rollback.min_runs")}><Input type="number" value={runs} onInput={setRuns} /></Field>
          </div> : null}
        </fieldset> : null}
      </>}
      <div class="foot"><Button onClick={onClose}>Cancel</Button><Button kind="primary" type="submit" disabled={busy}>{live || !part ? "Make it live" : `Give it ${share} %`}</Button></div>
    </>}</Form>
  </Dialog>;
}

function StartComparison({ script, number, onClose, onStarted }: { script: Script; number: number; onClose: () => void; onStarted: (c: Comparison) => void }) {
  const [last, setLast] = useState("50");
  const [status, setStatus] = useState("");
  const [trigger, setTrigger] = useState("");
  const [fetches, setFetches] = useState("deny");
  return <Dialog title={`Compare version ${number} on the last inputs`} onClose={onClose}>
    <p class="soft">The version runs on inputs that are on record. Its writes to kv, events and invocations stay inside and are thrown away.</p>
    <Form onSubmit={async () => onStarted(await call("POST /scripts/{id}/versions/{version}/compare", {
      path: { id: script.id, version: number }, body: { last: Number(last), fetch: fetches, ...(status ? { status } : {}), ...(trigger ? { trigger_type: trigger } : {}) } as never,
    }))}>{({ busy, error }) => <>
      <div class="pair">
        <Field label="How many of the last executions" fault={error?.fault("last")}><Input type="number" value={last} onInput={setLast} /></Field>
        <Field label="That ended as" fault={error?.fault("status")}><Select value={status} onChange={setStatus} options={[["", "anything but cancelled"], "completed", "failed", "timeout"]} /></Field>
        <Field label="Started by" fault={error?.fault("trigger_type")}><Select value={trigger} onChange={setTrigger} options={[["", "anything"], "http", "cron", "event", "api", "manual"]} /></Field>
        <Field label="Its fetches are" fault={error?.fault("fetch")} hint={fetches === "live" ? "They reach other services." : undefined}><Select value={fetches} onChange={setFetches} options={[["deny", "refused"], ["record", "answered from the record"], ["live", "sent"]]} /></Field>
      </div>
      <div class="foot"><Button onClick={onClose}>Cancel</Button><Button kind="primary" type="submit" disabled={busy}>Compare</Button></div>
    </>}</Form>
  </Dialog>;
}

const tones = { same: "good", different: "warn", failed: "bad", skipped: "" } as const;

function ComparisonResult({ id }: { id: string }) {
  const [over, setOver] = useState(false);
  const [only, setOnly] = useState("");
  const loaded = useLoad("GET /comparisons/{id}", { path: { id } }, { every: over ? 0 : 1000 });
  const c = loaded.data;
  useEffect(() => { if (c && c.status !== "pending" && c.status !== "running") setOver(true); }, [c?.status]);
  if (!c) return loaded.error ? <Failure error={loaded.error} retry={loaded.reload} /> : <Loading />;
  const items = c.items.filter((i) => !only || i.result === only);
  return <Panel title={`Version ${c.version_number} on ${c.total || c.last} inputs`} actions={<Status value={c.status} />} class="comparison">
    {c.error ? <Notice kind="bad">{c.error}</Notice> : null}
    <div class="row" role="group" aria-label="Result">{(["same", "different", "failed", "skipped"] as const).map((r) => <Button small key={r} pressed={only === r} onClick={() => setOnly(only === r ? "" : r)}>{count(c[r])} {r}</Button>)}</div>
    {over ? <Facts of={{ "CPU time, recorded → now": `${ms(c.costs.recorded.cpu_ms)} → ${ms(c.costs.candidate.cpu_ms)}`, "Duration, recorded → now": `${ms(c.costs.recorded.duration_ms)} → ${ms(c.costs.candidate.duration_ms)}` }} /> : <Loading />}
    {over && !c.items.length ? <Empty title="No inputs are on record.">A script must have run, with its history kept.</Empty> : null}
    {items.length ? <div class="table-scroll"><table aria-label="Inputs"><thead><tr><th scope="col">Result</th><th scope="col">Input of</th><th scope="col">Recorded</th><th scope="col">Now</th><th scope="col" class="right">Duration</th></tr></thead>
      <tbody>{items.map((i) => <>
        <tr><td><Tag kind={tones[i.result]}>{i.result}</Tag></td><td><Link to={href(`/executions/${i.execution_id}`)}><code>{i.execution_id.slice(0, 8)}</code></Link></td>
          <td>{i.recorded.status}{i.recorded.error_code ? <span class="faint"> {i.recorded.error_code}</span> : null}</td>
          <td>{i.candidate ? <>{i.candidate.status}{i.candidate.error_code ? <span class="faint"> {i.candidate.error_code}</span> : null}</> : <span class="faint">{i.reason}</span>}</td>
          <td class="right">{ms(i.recorded.duration_ms)} → {ms(i.candidate?.duration_ms)}</td></tr>
        {i.diff || i.candidate?.error || i.candidate?.calls?.length ? <tr class="detail"><td colSpan={5}><details><summary>{i.diff ? "What differs" : "What it did"}</summary>
          {i.diff ? <UnifiedDiff text={i.diff} /> : null}
          {i.candidate?.error ? <pre class="bad">{i.candidate.error}</pre> : null}
          {i.candidate?.calls?.length ? <ul class="calls">{i.candidate.calls.map((k) => <li><Tag>{k.kind}</Tag> {k.operation} <code>{k.target}</code> {k.error ? <span class="bad">{k.error}</span> : null}</li>)}</ul> : null}
        </details></td></tr> : null}
      </>)}</tbody></table></div> : null}
  </Panel>;
}

/** UnifiedDiff is the text of a unified diff, its lines coloured. */
export function UnifiedDiff({ text }: { text: string }) {
  return <pre class="unified" tabIndex={0}>{text.replace(/\n$/, "").split("\n").map((l) => <span class={l.startsWith("+") ? "added" : l.startsWith("-") ? "removed" : l.startsWith("@") ? "faint" : undefined}>{l}{"\n"}</span>)}</pre>;
}

