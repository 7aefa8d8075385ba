import type { ExecutionItem } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { ms } from "../lib/format";
import { href, useQuery } from "../lib/router";
import { Button, type Column, Empty, List, PageHead, SearchInput, Segments, Select, Status, Tag, Time } from "../ui";

/** whatOf says what an execution was asked, in a few words. */
export function whatOf(e: ExecutionItem): string {
  const t = (e.trigger_data ?? {}) as { method?: string; path?: string; event_type?: string };
  if (t.method || t.path) return `${t.method ?? ""} ${t.path ?? ""}`.trim();
  return t.event_type ?? "";
}

export const executionColumns: Column<ExecutionItem>[] = [
  { title: "Script", cell: (e) => e.script_name || e.script_id },
  { title: "Status", cell: (e) => <span class="row nowrap"><Status value={e.status ?? ""} />{e.error_code ? <Tag kind="bad">{e.error_code}</Tag> : null}</span> },
  { title: "Trigger", cell: (e) => <span class="row nowrap"><span class="soft">{e.trigger_type}</span><code class="clip" style={{ maxWidth: "34ch" }} title={whatOf(e)}>{whatOf(e)}</code>{(e.attempt ?? 1) > 1 ? <Tag kind="warn">attempt {e.attempt}</Tag> : null}</span>, wide: true },
  { title: "Version", cell: (e) => e.version, right: true, wide: true },
  { title: "CPU", cell: (e) => e.metrics ? ms(e.metrics.cpu_ms) : "–", right: true, wide: true },
  { title: "Duration", cell: (e) => ms(e.metrics?.duration_ms), right: true },
  { title: "Accepted", cell: (e) => <Time at={e.queued_at} style="ago" />, right: true },
];

const spans: [string, string][] = [["", "All"], ["900", "15 min"], ["3600", "1 h"], ["86400", "24 h"], ["604800", "7 d"]];

export default function Executions() {
  const [q, set] = useQuery();
  const live = q.live !== "off";
  const since = q.within ? new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(q.within) * 1000).toISOString() : q.since ?? "";
  const filter = { script_id: q.script_id ?? "", status: q.status ?? "", trigger_type: q.trigger_type ?? "", error_code: q.error_code ?? "", path: q.path ?? "", event_id: q.event_id ?? "", since, until: q.until ?? "" };
  const pages = usePages("GET /executions", { query: filter }, { every: live ? 3000 : 0 });
  const script = useLoad("GET /scripts/{id}", { path: { id: q.script_id ?? "" } }, { skip: !q.script_id });
  const filtered = Object.values(filter).some(Boolean);
  return <>
    <PageHead title={script.data ? `Executions of ${script.data.name}` : "Executions"}
      actions={<Button pressed={live} onClick={() => set({ live: live ? "off" : null })}>{live ? "Live" : "Paused"}</Button>} />
    <div class="filters">
      <Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "pending", "running", "completed", "failed", "timeout", "cancelled"]} />
      <Select aria-label="Trigger" value={q.trigger_type ?? ""} onChange={(trigger_type) => set({ trigger_type })} options={[["", "Any trigger"], "http", "cron", "event", "manual", "api"]} />
      <Select aria-label="Error" value={q.error_code ?? ""} onChange={(error_code) => set({ error_code })} options={[["", "Any error"], "exception", "exceeded_wall_time", "exceeded_cpu", "exceeded_memory", "output_too_large", "invalid_output", "unsettled", "boot_error", "worker_lost", "quarantined", "cancelled"]} />
      <SearchInput value={q.path ?? ""} onSearch={(path) => set({ path })} placeholder="Path of the request" />
      <Segments label="Time" value={q.within ?? ""} onChange={(within) => set({ within, since: null, until: null })} items={spans} />
      {filtered ? <Button kind="quiet" onClick={() => set(Object.fromEntries([...Object.keys(filter), "within"].map((k) => [k, null])))}>Clear</Button> : null}
    </div>
    <List pages={pages} label="Executions" columns={q.script_id ? [{ ...executionColumns[2], cell: (e: ExecutionItem) => <code>{whatOf(e) || e.trigger_type}</code>, title: "Trigger" }, ...executionColumns.filter((_, i) => i !== 0 && i !== 2)] : executionColumns}
      href={(e) => href(`/executions/${e.id}`)} rowKey={(e) => e.id ?? ""}
      empty={<Empty title={filtered ? "No execution is like that." : "Nothing has run yet."}>{filtered ? null : "Call an endpoint, publish an event or run a script by hand."}</Empty>} />
  </>;
}
