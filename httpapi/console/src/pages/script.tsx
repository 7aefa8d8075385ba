import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { APIError, type Answer, call, type Execution, type LogLine, may, type Script } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { ms, parseJSON, pretty, text } from "../lib/format";
import { go, href, Link, useUnsaved } from "../lib/router";
import { moves, triggerOf } from "../lib/script";
import { Button, Code, confirm, Failure, Facts, LogRows, Notice, PageHead, Panel, type Column, Shown, Status, Table, Tag, TextArea, Time, toast } from "../ui";
import { executionColumns } from "./executions";

export default function ScriptPage({ params }: { params: { id?: string } }) {
  const loaded = useLoad("GET /scripts/{id}", { path: { id: params.id ?? "" } });
  return <Shown of={loaded}>{(script) => <Editor script={script} etag={loaded.etag} reload={loaded.reload} set={loaded.set} />}</Shown>;
}

function Editor({ script, etag, reload, set }: { script: Script; etag: string | null; reload: () => Promise<void>; set: (s: Script, etag?: string | null) => void }) {
  const id = script.id;
  const [source, setSource] = useState(script.source);
  const [base, setBase] = useState({ source: script.source, etag });
  const [error, setError] = useState<Error>();
  const mayWrite = may("PATCH /scripts/{id}");
  const unsaved = mayWrite && source !== base.source;
  useUnsaved(unsaved);
  useLayoutEffect(() => { if (!unsaved) { setSource(script.source); setBase({ source: script.source, etag }); } }, [script, etag]);

  // A save changes the version that this page shows. Where another version was saved since, it asks.
  const save = async (ifMatch: string | null) => {
    setError(undefined);
    try {
      const saved = await call("PATCH /scripts/{id}", { path: { id }, body: { source }, ifMatch });
      toast(saved.version === script.version ? "Nothing changed." : `Saved as version ${saved.version}.`);
      for (const w of saved.warnings ?? []) toast(`${w.location}: ${w.message}`, true);
      setBase({ source, etag: null });
      await reload();
    } catch (e) { setError(e as Error); }
  };
  const move = async (status: string) => { set(await call("PATCH /scripts/{id}", { path: { id }, body: { status: status as "active" } })); await reload(); };
  const executions = usePages("GET /executions", { query: { script_id: id, limit: 10 } }, { every: 5000 });
  const { levels, ceilings: _c, ceiling_levels: _l, ...limits } = (script.effective_limits ?? {}) as unknown as Record<string, unknown> & { levels?: Record<string, string> };

  return <>
    <PageHead title={script.name} crumbs={[["Scripts", href("/scripts")]]} actions={mayWrite ? <>
      {(moves[script.status] ?? []).map(([status, name]) => <Button key={status} onClick={() => move(status)}>{name}</Button>)}
      <Button kind="primary" onClick={() => save(base.etag)}>Save</Button>
    </> : null}>
      <Status value={script.status} /><Tag>{script.type}</Tag><span class="faint">version {script.version}</span>{unsaved ? <Tag kind="warn">not saved</Tag> : null}
    </PageHead>
    <div class="stack">
      {script.quarantined_until ? <Notice kind="bad">Quarantined until <Time at={script.quarantined_until} />: {script.quarantine_reason}
        {may("POST /scripts/{id}/release") ? <div><Button small onClick={async () => { set(await call("POST /scripts/{id}/release", { path: { id } })); await reload(); }}>Release</Button></div> : null}</Notice> : null}
      {error instanceof APIError && error.status === 412 ? <Notice kind="bad">
        <div>This script was changed since you opened it. Your text is still here.</div>
        <div class="row">
          <Button small onClick={async () => { if (await confirm("Save over the other change?", { text: "It stays in the versions.", action: "Save over it", danger: true })) await save(null); }}>Save over it</Button>
          <Button small onClick={async () => { if (await confirm("Show the other one?", { text: "Your text is lost.", action: "Show it", danger: true })) { setBase({ source, etag: null }); setError(undefined); setSource(base.source); await reload(); } }}>Show the other one</Button>
        </div>
      </Notice> : error ? <Failure error={error} /> : null}
      <div class="columns">
        <div class="stack">
          <TextArea value={source} rows={26} onInput={setSource} disabled={!mayWrite} aria-label="source" />
          <Panel title="Recent executions" flush actions={<Link to={href("/executions", { script_id: id })}>All</Link>}>
            {executions.items?.length ? <Table label="Recent executions" rows={executions.items} columns={executionColumns.slice(1)} href={(e) => href(`/executions/${e.id}`)} /> : <div class="empty">It has not run yet.</div>}
          </Panel>
        </div>
        <div class="stack">
          {may("POST /scripts/{id}/executions") ? <Run script={script} /> : null}
          <Panel title="Trigger"><code>{triggerOf(script) || "by hand, by API or by other scripts"}</code></Panel>
          <Versions script={script} reload={reload} />
          <Panel title="Limits"><Facts of={Object.fromEntries(Object.entries(limits).map(([k, v]) => [k, <>{v === null ? "–" : text(v)} <span class="faint">{levels?.[k]}</span></>]))} /></Panel>
          {may("DELETE /scripts/{id}") ? <div><Button kind="danger" onClick={async () => {
            if (!await confirm(`Delete ${script.name}?`, { text: "Its versions and its history are deleted with it.", action: "Delete", danger: true, typed: script.name })) return;
            await call("DELETE /scripts/{id}", { path: { id } });
            setSource(base.source);
            setTimeout(() => void go(href("/scripts")));
          }}>Delete script</Button></div> : null}
        </div>
      </div>
    </div>
  </>;
}

function Run({ script }: { script: Script }) {
  const [input, setInput] = useState(script.type === "http" ? pretty({ method: "GET", path: script.http_path ?? "/" }) : "null");
  const [result, setResult] = useState<{ execution: Execution; log: LogLine[] }>();
  const run = async () => {
    const { value, error } = parseJSON(input);
    if (error) throw new Error(error);
    setResult(undefined);
    const execution = await call("POST /scripts/{id}/executions", { path: { id: script.id }, query: { wait: true }, body: { input: value } });
    const log = await call("GET /executions/{id}/logs", { path: { id: execution.id }, query: { limit: 200 } }).catch(() => ({ items: [] }));
    setResult({ execution, log: log.items });
  };
  return <Panel title="Run"><div class="form">
    <TextArea value={input} rows={5} onInput={setInput} aria-label="Input" />
    <div><Button onClick={run}>Run now</Button></div>
    {result ? <>
      <div class="row"><Status value={result.execution.status} />{result.execution.error_code ? <Tag kind="bad">{result.execution.error_code}</Tag> : null}<span class="faint">{ms(result.execution.metrics?.duration_ms)}</span><Link to={href(`/executions/${result.execution.id}`)}>details</Link></div>
      {result.execution.error ? <Code text={result.execution.error} label="Error" /> : null}
      <Code text={pretty(result.execution.output)} label="Output" />
      {result.log.length ? <LogRows rows={result.log} /> : null}
    </> : null}
  </div></Panel>;
}

function Versions({ script, reload }: { script: Script; reload: () => Promise<void> }) {
  const versions = usePages("GET /scripts/{id}/versions", { path: { id: script.id }, query: { limit: 20 } });
  useEffect(() => { void versions.reload(); }, [script.version, script.latest_version]);
  const restore = async (n: number) => {
    if (!await confirm(`Make a new version of version ${n}?`, { action: "Restore" })) return;
    await call("POST /scripts/{id}/versions/{version}/restore", { path: { id: script.id, version: n }, body: {} });
    await reload();
  };
  type V = Answer<"GET /scripts/{id}/versions">["items"][number];
  const columns: Column<V>[] = [
    { title: "Version", cell: (v) => v.version_number },
    { title: "Change", cell: (v) => <><Time at={v.created_at} style="ago" /><div class="faint">{v.change_description}</div></> },
    { title: "", cell: (v) => v.version_number === script.version ? <Tag kind="good">live</Tag> : may("POST /scripts/{id}/versions/{version}/restore") ? <Button small onClick={() => restore(v.version_number)}>Restore</Button> : null, right: true },
  ];
  return <Panel title="Versions" flush><Table label="Versions" rows={versions.items ?? []} columns={columns} /></Panel>;
}
