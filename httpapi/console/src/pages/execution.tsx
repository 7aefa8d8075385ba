import { call, may } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { bytes, ms } from "../lib/format";
import { go, href, Link } from "../lib/router";
import { Button, Code, Facts, JSONBlock, LogRows, Notice, PageHead, Panel, Shown, Status, Tag, Time, toast } from "../ui";

export default function ExecutionPage({ params }: { params: { id?: string } }) {
  const id = params.id ?? "";
  const loaded = useLoad("GET /executions/{id}", { path: { id } });
  const open = loaded.data?.status === "pending" || loaded.data?.status === "running";
  const log = usePages("GET /executions/{id}/logs", { path: { id }, query: { limit: 200 } }, { every: open ? 1500 : 0 });
  return <Shown of={loaded}>{(e) => <>
    <PageHead title={e.script_name || "Execution"} crumbs={[["Executions", href("/executions")]]} actions={<>
      {open && may("POST /executions/{id}/cancel") ? <Button kind="danger" onClick={async () => { await call("POST /executions/{id}/cancel", { path: { id } }); await loaded.reload(); }}>Cancel</Button> : null}
      {may("POST /executions/{id}/replay") ? <Button onClick={async () => { const r = await call("POST /executions/{id}/replay", { path: { id }, body: {} }); toast("Queued again."); void go(href(`/executions/${r.id}`)); }}>Replay</Button> : null}
      <Button onClick={loaded.reload}>Refresh</Button>
    </>}><Status value={e.status} />{e.error_code ? <Tag kind="bad">{e.error_code}</Tag> : null}</PageHead>
    <div class="columns">
      <div class="stack">
        {e.error ? <Notice kind="bad"><Code text={[e.error, e.error_stack].filter(Boolean).join("\n\n")} label="Error" /></Notice> : null}
        <Panel title="Log" flush>{log.items?.length ? <LogRows rows={log.items} /> : <div class="empty">{open ? "It has written nothing yet." : "It wrote nothing."}</div>}</Panel>
        <Panel title="Output"><JSONBlock value={e.output} label="Output" /></Panel>
        <Panel title="Input"><JSONBlock value={e.input} label="Input" /></Panel>
      </div>
      <Panel title="Facts"><Facts of={{
        Script: <Link to={href(`/scripts/${e.script_id}`)}>{e.script_name || e.script_id}</Link>, Trigger: e.trigger_type, Version: e.version, Attempt: e.attempt,
        Accepted: <Time at={e.queued_at} />, Began: <Time at={e.started_at} />, Ended: <Time at={e.completed_at} />, Duration: ms(e.metrics?.duration_ms), CPU: ms(e.metrics?.cpu_ms),
        Waited: ms(e.metrics?.queue_ms), "Peak memory": bytes(e.metrics?.peak_memory_bytes), Calls: e.metrics?.api_calls, Output: bytes(e.metrics?.output_bytes), "Cold start": e.metrics?.cold_start ? "yes" : "no", Id: <code>{e.id}</code>,
      }} /></Panel>
    </div>
  </>}</Shown>;
}
