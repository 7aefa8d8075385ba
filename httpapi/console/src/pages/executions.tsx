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
  { title: "Answer", cell: (e) => e.http_status ? <span class={`numeric${e.http_status >= 500 ? " answer-bad" : ""}`}>{e.http_status}</span> : <span class="faint">–</span>, right: true, wide: true },
  { title: "Trigger", cell: (e) => <span class="row nowrap"><span class="soft">{e.trigger_type}</span><code class="clip" style={{ maxWidth: "34ch" }} title={whatOf(e)}>{whatOf(e)}</code>{(e.attempt ?? 1) > 1 ? <Tag kind="warn">attempt {e.attempt}</Tag> : null}</span>, wide: true },
  { title: "Version", cell: (e) => e.version, right: true, wide: true },
  { title: "CPU", cell: (e) => e.metrics ? ms(e.metrics.cpu_ms) : "–", right: true, wide: true },
  { title: "Duration", cell: (e) => ms(e.metrics?.duration_ms), right: true },
  { title: "Accepted", cell: (e) => <Time at={e.queued_at} style="ago" />, right: true },
];

const spans: [string, string][] = [["", "All"], ["900", "15 min"], ["3600", "1 h"], ["86400", "24 h"], ["604800", "7 d"]];

const names: [string, string][] = [["script_id", "script"], ["status", "status"], ["trigger_type", "trigger"], ["error_code", "error"], ["http_status", "answer"], ["path", "path"], ["q", "text"], ["event_id", "event"], ["within", "within"], ["since", "since"], ["until", "until"]];
const clearing = (keys: string[]) => Object.fromEntries(keys.map((k) => [k, null]));

export default function Executions() {
  const [q, set] = useQuery();
  const live = q.live !== "off";
  const since = q.within ? new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(q.within) * 1000).toISOString() : q.since ?? "";
  const filter = { script_id: q.script_id ?? "", status: q.status ?? "", trigger_type: q.trigger_type ?? "", error_code: q.error_code ?? "", path: q.path ?? "", http_status: /^[1-5](\d\d|xx)$/.test(q.http_status ?? "") ? q.http_status ?? "" : "", q: (q.q ?? "").length > 1 ? q.q ?? "" : "", event_id: q.event_id ?? "", since, until: q.until ?? "" };
  const pages = usePages("GET /executions", { query: filter }, { every: live ? 3000 : 0 });
  const script = useLoad("GET /scripts/{id}", { path: { id: q.script_id ?? "" } }, { skip: !q.script_id });
  const filtered = Object.values(filter).some(Boolean);
  const chips: [string, string, string][] = names.flatMap(([k, name]) => q[k] ? [[k, name, k === "script_id" ? script.data?.name ?? q[k] ?? "" : k === "within" ? spans.find(([v]) => v === q.within)?.[1] ?? q[k] ?? "" : q[k] ?? ""] as [string, string, string]] : []);
  return <>
    <PageHead title={script.data ? `Executions of ${script.data.name}` : "Executions"}
      actions={<Button pressed={live} onClick={() => set({ live: live ? "off" : null })}>{live ? "Live" : "Paused"}</Button>} />
    <div class="filters">
      <Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "pending", "running", "completed", "failed", "timeout", "cancelled"]} />
      <Select aria-label="Trigger" value={q.trigger_type ?? ""} onChange={(trigger_type) => set({ trigger_type })} options={[["", "Any trigger"], "http", "cron", "event", "manual", "api"]} />
      <Select aria-label="Error" value={q.error_code ?? ""} onChange={(error_code) => set({ error_code })} options={[["", "Any error"], "exception", "exceeded_wall_time", "exceeded_cpu", "exceeded_memory", "output_too_large", "invalid_output", "unsettled", "boot_error", "worker_lost", "quarantined", "cancelled"]} />
      <Select aria-label="Answer" value={q.http_status ?? ""} onChange={(http_status) => set({ http_status })} options={[["", "Any answer"], "2xx", "3xx", "4xx", "5xx", ...(/^[1-5]\d\d$/.test(q.http_status ?? "") ? [q.http_status ?? ""] : [])]} />
      <SearchInput value={q.q ?? ""} onSearch={(text) => set({ q: text })} placeholder="Text in URL, error or id" />
      <Segments label="Time" value={q.within ?? ""} onChange={(within) => set({ within, since: null, until: null })} items={spans} />
    </div>
    {chips.length ? <div class="chips" role="group" aria-label="Filters">
      {chips.map(([k, name, value]) => <button type="button" class="chip" key={k} onClick={() => set(clearing([k]))} aria-label={`Remove the filter ${name} ${value}`}><span class="faint">{name}</span> {value} <span aria-hidden="true">×</span></button>)}
      {chips.length > 1 ? <Button small kind="quiet" onClick={() => set(clearing(chips.map(([k]) => k)))}>Clear all</Button> : null}
    </div> : null}
    <List pages={pages} label="Executions" columns={q.script_id ? [{ ...executionColumns[3], cell: (e: ExecutionItem) => <code>{whatOf(e) || e.trigger_type}</code>, title: "Trigger" }, ...executionColumns.filter((_, i) => i !== 0 && i !== 3)] : executionColumns}
      href={(e) => href(`/executions/${e.id}`)} rowKey={(e) => e.id ?? ""}
      empty={<Empty title={pages.more ? "None among the newest 20,000." : filtered ? "No execution is like that." : "Nothing has run yet."}>{filtered ? `Asked for: ${chips.map(([, name, value]) => `${name} ${value}`).join(", ")}.` : "Call an endpoint, publish an event or run a script by hand."}</Empty>} />
  </>;
}
