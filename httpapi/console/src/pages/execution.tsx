import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { APIError, type Call, call, type Execution, type ExecutionItem, isID, type LogLine, may } from "../lib/api";
import { type Pages, useEvery, useLoad, usePages } from "../lib/data";
import { bytes, count, ms, parseJSON, plural, pretty } from "../lib/format";
import { go, href, Link } from "../lib/router";
import { useTail } from "../lib/tail";
import { Button, Dialog, Empty, Facts, Field, Form, JSONBlock, type LogRow, LogRows, Meter, Notice, PageHead, Panel, Shown, Status, Table, Tag, TextArea, Time, toast } from "../ui";
import { Stack } from "../ui/stack";

const isOpen = (e: { status?: string | undefined } | undefined) => e?.status === "pending" || e?.status === "running";

export default function ExecutionPage({ params }: { params: { id?: string } }) {
  const id = params.id ?? "";
  const loaded = useLoad("GET /executions/{id}", { path: { id } }, { skip: !isID(id) });
  const open = isOpen(loaded.data);
  useEvery(open ? 1000 : 0, loaded.reload);
  if (!isID(id)) return <Empty title="This address names no execution." />;
  return <Shown of={loaded}>{(e) => <Run e={e} open={open} reload={loaded.reload} />}</Shown>;
}

function Run({ e, open, reload }: { e: Execution; open: boolean; reload: () => Promise<void> }) {
  const [editing, setEditing] = useState(false);
  const path = { id: e.id };
  const log = usePages("GET /executions/{id}/logs", { path, query: { limit: 200 } }, { every: open ? 1500 : 0 });
  const calls = usePages("GET /executions/{id}/calls", { path, query: { limit: 200 } }, { every: open ? 1500 : 0 });
  const wasOpen = useRef(open);
  useEffect(() => { // its last lines and calls come with its end
    if (wasOpen.current && !open) { void log.reload(); void calls.reload(); }
    wasOpen.current = open;
  }, [open]);
  const trigger = (e.trigger_data ?? {}) as Record<string, unknown>;
  const replay = async () => {
    const again = await call("POST /executions/{id}/replay", { path, body: {} });
    toast("It runs again.");
    await go(href(`/executions/${again.id}`));
  };
  return <>
    <PageHead title={e.script_name || "Execution"} crumbs={[["Executions", href("/executions")], [e.script_name || "script", href("/executions", { script_id: e.script_id })]]} actions={<>
      {open && may("POST /executions/{id}/cancel") ? <Button kind="danger" onClick={async () => { await call("POST /executions/{id}/cancel", { path }); await reload(); }}>Cancel</Button> : null}
      {may("POST /scripts/{id}/executions") && !e.bodies_hidden ? <Button onClick={() => setEditing(true)}>Edit input and run</Button> : null}
      {may("POST /executions/{id}/replay") ? <Button kind="primary" onClick={replay}>Replay</Button> : null}
    </>}>
      <Status value={e.status} />{e.error_code ? <Tag kind="bad">{e.error_code}</Tag> : null}
      {e.trigger_type === "http" ? <code class="soft">{String(trigger.method ?? "")} {String(trigger.path ?? "")}{statusOf(e)}</code> : null}
    </PageHead>
    {editing ? <EditAndRun e={e} onClose={() => setEditing(false)} /> : null}
    <div class="columns">
      <div class="stack">
        <Chain e={e} />
        <Stream e={e} open={open} log={log} reload={reload} />
        {calls.items?.length ? <Panel title="Calls" flush actions={<span class="faint">{plural(calls.items.length, "call")}</span>}><Waterfall e={e} calls={calls.items} />
          {calls.more ? <div class="more"><Button small onClick={calls.loadMore}>Show more</Button></div> : null}</Panel> : null}
        {e.bodies_hidden ? <Notice>Input and output are not shown to your role.</Notice> : <div class="halves">
          <Panel title={e.trigger_type === "http" ? "Request" : "Input"}><InputOf e={e} /></Panel>
          <Panel title={e.trigger_type === "http" ? "Response" : "Output"}><Output e={e} /></Panel>
        </div>}
      </div>
      <div class="stack">
        <Panel title="Timing"><Facts of={{
          Accepted: <Time at={e.queued_at} style="exact" />, Began: e.started_at ? <Time at={e.started_at} style="exact" /> : null, Ended: e.completed_at ? <Time at={e.completed_at} style="exact" /> : null,
          "Not before": e.run_at && open ? <Time at={e.run_at} /> : null, Tick: e.scheduled_for ? <Time at={e.scheduled_for} /> : null,
          Waited: ms(e.metrics?.queue_ms), Ran: ms(e.metrics?.duration_ms), Start: e.metrics?.cold_start ? "cold" : e.completed_at ? "warm" : null,
        }} /></Panel>
        <Limits e={e} />
        <Panel title="Facts"><Facts of={{
          Script: <Link to={href(`/scripts/${e.script_id}`)}>{e.script_name || e.script_id}</Link>, Version: e.version, Trigger: e.trigger_type, Attempt: e.attempt,
          Id: <code>{e.id}</code>,
        }} /></Panel>
      </div>
    </div>
  </>;
}

/** Stream is what a run has written and how it ended, in the order of time: an error stands where it was thrown, after the last line. */
function Stream({ e, open, log, reload }: { e: Execution; open: boolean; log: Pages<LogLine>; reload: () => Promise<void> }) {
  // Its lines are on record when it has ended; until then they come as they are written.
  const [heard, setHeard] = useState<LogRow[]>([]);
  const tail = useTail({ script_id: e.script_id }, (line) => {
    if (line.execution_id !== e.id) return;
    if (line.kind === "execution.ended") void reload();
    else if (line.kind === "log") setHeard((all) => [...all.slice(-999), { at: line.at, level: line.level, message: line.message }]);
  }, !open || !may("GET /logs/tail"));
  const all: LogRow[] = log.items?.length ? log.items : heard;
  const told = e.error && all.at(-1)?.level === "error" && String(all.at(-1)?.message).startsWith(`${e.error_code}: `); // the log's own line of the error, which is shown below with its code
  const lines = told ? all.slice(0, -1) : all;
  const long = lines.length > 12;
  const begin = e.started_at ? { at: e.started_at, level: "run", message: `began, ${e.metrics?.queue_ms === undefined ? "" : `after ${ms(e.metrics.queue_ms)} of waiting, `}version ${e.version}` } : null;
  const end = e.completed_at && !e.error && !log.more ? { at: e.completed_at, level: "run", message: `${e.status}${e.metrics ? ` after ${ms(e.metrics.duration_ms)}` : ""}` } : null;
  const rows = [...(begin ? [begin] : []), ...lines, ...(end ? [end] : [])];
  return <Panel title={e.error ? "Log and error" : "Log"} flush class={e.error ? "stream bad-panel" : "stream"} actions={<span class="faint">{lines.length ? plural(lines.length, "line") : null}{open ? <Tag kind="info">{tail.state === "live" ? "live" : "runs"}</Tag> : null}</span>}>
    {e.error && long ? <div class="stream-error"><a href="#error" class="bad" onClick={(c) => { c.preventDefault(); document.getElementById("error")?.scrollIntoView({ block: "center" }); document.getElementById("error")?.focus(); }}>{e.error.split("\n")[0]?.slice(0, 300)}</a></div> : null}
    {rows.length ? <LogRows rows={rows} /> : null}
    {lines.length || e.error ? null : <div class="pad faint">{open ? "It has written nothing since this page was opened. All of its lines are here when it has ended." : "It wrote nothing."}</div>}
    {log.more ? <div class="more"><Button small onClick={log.loadMore}>Show more</Button></div> : null}
    {e.error ? <div class="stream-error" id="error" tabIndex={-1} role="group" aria-label="Error">
      <div class="faint">{e.completed_at ? <Time at={e.completed_at} style="clock" /> : null} {e.error_code}</div>
      <Stack script={e.script_id} version={e.version} error={e.error} stack={e.error_stack} />
    </div> : null}
  </Panel>;
}

function statusOf(e: Execution): string {
  const status = (e.output as { status?: unknown } | null)?.status;
  return typeof status === "number" ? ` → ${status}` : "";
}

/** InputOf shows a request as a request, with its body as what it is, and any other input as JSON. */
function InputOf({ e }: { e: Execution }) {
  const asked = e.input as { method?: unknown; url?: unknown; path?: unknown; headers?: unknown; body?: unknown } | null;
  if (e.trigger_type !== "http" || !asked || typeof asked.method !== "string" || typeof asked.url !== "string") return <JSONBlock value={e.input} label="Input" />;
  const parsed = typeof asked.body === "string" ? parseJSON(asked.body) : { value: asked.body };
  return <div class="stack">
    <div class="row"><Tag>{asked.method}</Tag><code class="wrap">{asked.url}</code></div>
    {asked.body === undefined || asked.body === null || asked.body === "" ? null : <JSONBlock value={parsed.error ? asked.body : parsed.value} label="Body" />}
    <details><summary>All of it</summary><JSONBlock value={e.input} label="Input" /></details>
  </div>;
}

function Output({ e }: { e: Execution }) {
  const answer = e.output as { status?: unknown; headers?: unknown; body?: unknown } | null;
  if (e.trigger_type === "http" && answer && typeof answer.status === "number" && typeof answer.body === "string") {
    const parsed = parseJSON(answer.body);
    return <div class="stack">
      <div class="row"><Tag kind={answer.status >= 500 ? "bad" : answer.status >= 400 ? "warn" : "good"}>{answer.status}</Tag><span class="faint">{bytes(e.metrics?.output_bytes)}</span></div>
      <JSONBlock value={parsed.error ? answer.body : parsed.value} label="Body" />
      <details><summary>Headers</summary><JSONBlock value={answer.headers} label="Headers" /></details>
    </div>;
  }
  if (e.error_code && (e.output === null || e.output === undefined)) return <span class="faint">None: it ended with an error.</span>;
  return <JSONBlock value={e.output} label="Output" />;
}

/** Chain shows where an execution comes from and what became of it: the event, its attempts, its dead letter, and what was run again. */
function Chain({ e }: { e: Execution }) {
  const attempts = usePages("GET /executions", { query: { event_id: e.event_id ?? "", limit: 50 } }, { skip: !e.event_id });
  const letters = usePages("GET /dead-letters", { query: { script_id: e.script_id, limit: 100 } }, { skip: !e.event_id || e.status === "completed" || !may("GET /dead-letters") });
  // An attempt under way, or the dead letter that is sent again, ends while the page is looked at.
  useEvery(attempts.items?.some(isOpen) ? 1500 : 0, () => Promise.all([attempts.reload(), letters.reload()]));
  const letter = letters.items?.find((d) => d.event_id === e.event_id);
  const steps: ComponentChildren[] = [];
  const trigger = (e.trigger_data ?? {}) as { event_type?: string; redacted?: string[] };
  if (e.event_id) steps.push(<>Event {trigger.event_type ? <code>{trigger.event_type}</code> : null}</>);
  if (e.parent_id) steps.push(<Link to={href(`/executions/${e.parent_id}`)}>Caused by another execution</Link>);
  if (e.replay_of) steps.push(<Link to={href(`/executions/${e.replay_of}`)}>Replay of an execution</Link>);
  const same = (attempts.items ?? []).filter((a) => a.script_id === e.script_id).reverse();
  const step = (a: ExecutionItem, name: string) => steps.push(<span class="row nowrap">{a.id === e.id ? <strong>{name}</strong> : <Link to={href(`/executions/${a.id}`)}>{name}</Link>}<Status value={a.status ?? ""} /></span>);
  const again = (a: ExecutionItem) => Boolean((a.trigger_data as { dead_letter_id?: string } | null)?.dead_letter_id);
  for (const a of same.filter((x) => !again(x))) step(a, `Attempt ${a.attempt}`);
  if (letter) steps.push(<span class="row nowrap"><Link to={href("/dead-letters", { script_id: e.script_id, id: letter.id })}>Dead letter</Link><span class="faint">{plural(letter.retry_count ?? 0, "retry", "retries")}</span></span>);
  for (const a of same.filter(again)) step(a, "Sent again");
  const others = new Set((attempts.items ?? []).filter((a) => a.script_id !== e.script_id).map((a) => a.script_id)).size;
  if (others) steps.push(<Link to={href("/executions", { event_id: e.event_id })}>{plural(others, "other script")} of this event</Link>);
  if (!steps.length && !trigger.redacted?.length) return null;
  return <Panel title="Chain">
    <ol class="chain">{steps.map((s, i) => <li key={i}>{s}</li>)}</ol>
    {trigger.redacted?.length ? <div class="faint">Without credentials, which the record does not have: {trigger.redacted.join(", ")}</div> : null}
  </Panel>;
}

/** Waterfall shows when each call began and how long it took. */
function Waterfall({ e, calls }: { e: Execution; calls: Call[] }) {
  const begin = new Date(e.started_at ?? calls[0]?.started_at ?? 0).getTime();
  const last = Math.max(...calls.map((c) => new Date(c.started_at).getTime() + c.duration_ms), begin + (e.metrics?.duration_ms ?? 0));
  const whole = Math.max(1, last - begin);
  return <Table label="Calls" rows={calls} rowKey={(c) => String(c.seq)} columns={[
    { title: "Call", cell: (c) => <span class="row nowrap" style={{ flexWrap: "nowrap" }}><Tag>{c.kind}</Tag><span>{c.operation}</span></span> },
    { title: "Target", cell: (c) => <div><code>{c.target}</code>{c.error ? <div class="bad">{c.error_code ? `${c.error_code}: ` : ""}{c.error}</div> : null}</div>, text: true },
    { title: "Status", cell: (c) => c.status ? <span class={c.status >= 400 ? "bad" : ""}>{c.status}</span> : c.error ? <Tag kind="bad">failed</Tag> : "ok", wide: true },
    { title: "Sent, got", cell: (c) => <span class="faint nowrap">{bytes(c.request_bytes)}, {bytes(c.response_bytes)}</span>, right: true, wide: true },
    { title: "Time", cell: (c) => ms(c.duration_ms), right: true },
    { title: <span class="scale"><span>0</span><span>{ms(whole / 2)}</span><span>{ms(whole)}</span></span>, class: "timeline", wide: true, cell: (c) => {
      const at = Math.max(0, new Date(c.started_at).getTime() - begin);
      return <div class="track" title={`From ${ms(at)} to ${ms(at + c.duration_ms)} after the start`}><span class={c.error ? "bad" : ""} style={{ left: `${100 * at / whole}%`, width: `max(3px, ${100 * c.duration_ms / whole}%)` }} /></div>;
    } },
  ]} />;
}

/** Limits shows what the execution used of what its script may use now. */
function Limits({ e }: { e: Execution }) {
  const script = useLoad("GET /scripts/{id}", { path: { id: e.script_id } }, { skip: !e.metrics || !may("GET /scripts/{id}") });
  const m = e.metrics;
  const l = script.data?.effective_limits;
  if (!m || !l) return null;
  return <Panel title="Limits used"><div class="stack" style={{ gap: "10px" }}>
    <Meter name="Time" used={m.duration_ms} limit={l.max_execution_time_ms} format={ms} />
    <Meter name="CPU" used={m.cpu_ms} limit={l.max_cpu_time_ms} format={ms} />
    <Meter name="Memory" used={m.peak_memory_bytes} limit={l.max_memory_bytes} format={bytes} />
    <Meter name="Output" used={m.output_bytes} limit={l.max_output_size_bytes} format={bytes} />
    <Meter name="Log" used={m.log_bytes} limit={l.max_log_bytes} format={bytes} />
    <Meter name="Calls" used={m.api_calls} limit={l.max_api_calls_per_minute} format={count} />
  </div></Panel>;
}

function EditAndRun({ e, onClose }: { e: Execution; onClose: () => void }) {
  const [input, setInput] = useState(pretty(e.input));
  const { error } = parseJSON(input);
  return <Dialog title={`Run ${e.script_name} with another input`} large onClose={onClose}>
    <Form onSubmit={async () => {
      const { value, error } = parseJSON(input);
      if (error) throw new APIError(0, { detail: error });
      const made = await call("POST /scripts/{id}/executions", { path: { id: e.script_id }, body: { input: value } });
      onClose();
      await go(href(`/executions/${made.id}`));
    }}>{({ busy }) => <>
      <Field label="Input" fault={error} hint="The version that is live runs it, as a run by hand."><TextArea value={input} onInput={setInput} rows={18} /></Field>
      <div class="foot"><Button onClick={onClose}>Cancel</Button><Button type="submit" kind="primary" disabled={busy || Boolean(error)}>Run</Button></div>
    </>}</Form>
  </Dialog>;
}
