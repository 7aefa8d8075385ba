import { useLoad } from "../lib/data";
import { bytes, count, ms, short } from "../lib/format";
import { href, useQuery } from "../lib/router";
import { Facts, Figure, Figures, Meter, PageHead, Panel, Segments, Shown, Table, Tag, Time } from "../ui";
import { Chart } from "../ui/chart";

const names: Record<string, [string, (n: number) => string]> = { executions: ["Executions", short], cpu_ms: ["CPU time", ms], egress_bytes: ["Bytes sent", bytes] };

const tables: Record<string, string> = {
  audit_log: "Audit log", idempotency_keys: "Answers kept for repeated requests", script_comparisons: "Comparisons", script_event_dead_letters: "Dead letters", script_events: "Events",
  script_execution_calls: "Calls of executions", script_execution_logs: "Logs of executions", script_executions: "Executions", script_http_answers: "Answers kept for repeated calls",
  script_kv: "Key-value store", script_versions: "Versions", scripts: "Scripts",
};

export default function UsagePage() {
  const [q, set] = useQuery();
  const days = Number(q.days ?? 30);
  const from = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - (days - 1) * 86_400_000).toISOString().slice(0, 10);
  const loaded = useLoad("GET /usage", { query: { from } }, { every: 30_000 });
  return <>
    <PageHead title="Usage" actions={<Segments label="Days" value={String(days)} onChange={(v) => set({ days: v === "30" ? null : v })} items={[["7", "7 days"], ["30", "30 days"], ["90", "90 days"]]} />} />
    <Shown of={loaded}>{(u) => {
      const list = Array.from({ length: days }, (_, i) => new Date(Date.parse(from) + i * 86_400_000).toISOString().slice(0, 10));
      const sum = (d: string, f: (r: (typeof u.items)[number]) => number) => u.items.filter((r) => r.day.slice(0, 10) === d).reduce((a, r) => a + f(r), 0);
      const bad = (r: { executions: number; outcomes: Record<string, number> }) => r.executions - (r.outcomes.completed ?? 0);
      const scripts = Object.values(u.items.reduce<Record<string, { id: string; name: string; executions: number; cpu: number; egress: number; bad: number }>>((all, r) => {
        const s = all[r.script_id] ??= { id: r.script_id, name: r.script_name || "(deleted)", executions: 0, cpu: 0, egress: 0, bad: 0 };
        s.executions += r.executions; s.cpu += r.cpu_ms; s.egress += r.egress_bytes; s.bad += bad(r);
        return all;
      }, {})).sort((a, b) => b.cpu - a.cpu).slice(0, 20);
      return <div class="stack">
        <Figures>
          <Figure name="Executions" value={short(u.total.executions)} note={`${count(bad(u.total))} did not complete`} />
          <Figure name="CPU" value={ms(u.total.cpu_ms)} /><Figure name="Running" value={ms(u.total.duration_ms)} note="time, waiting for calls included" />
          <Figure name="Sent" value={bytes(u.total.egress_bytes)} /><Figure name="Calls" value={short(u.total.api_calls)} note="fetch, kv, events, scripts" />
        </Figures>
        <div class="halves">
          <Panel title="Executions a day"><Chart label="Executions a day" times={list.map((d) => Date.parse(d) / 1000)} format={short} series={[
            { name: "all", values: list.map((d) => sum(d, (r) => r.executions)), color: 1, bars: true }, { name: "not completed", values: list.map((d) => sum(d, bad)), color: 3, bars: true }]} /></Panel>
          <Panel title="CPU a day"><Chart label="CPU time a day" times={list.map((d) => Date.parse(d) / 1000)} format={ms} series={[{ name: "CPU", values: list.map((d) => sum(d, (r) => r.cpu_ms)), color: 2, bars: true }]} /></Panel>
        </div>
        <div class="halves">
          <Panel title="Quotas">{u.quotas.length ? <div class="stack">{u.quotas.map((k) => <div key={k.name}>
            <Meter name={`${names[k.name]?.[0] ?? k.name} this ${k.per}`} used={k.used} limit={k.hard ?? k.soft} format={names[k.name]?.[1] ?? short} />
            <span class="faint row">{k.state === "ok" ? null : <Tag kind={k.state === "warning" ? "warn" : "bad"}>{k.state}</Tag>}anew <Time at={k.period_end} style="ago" /></span>
          </div>)}</div> : <span class="faint">The plan has none.</span>}</Panel>
          <Panel title="Storage"><div class="stack">
            <Meter name="History" used={u.storage.history_bytes} limit={u.storage.max_history_bytes} format={bytes} />
            <Facts of={Object.fromEntries([...u.storage.tables.filter((t) => t.bytes > 0).map((t) => [tables[t.table] ?? t.table, bytes(t.bytes)] as const)])} />
          </div></Panel>
        </div>
        <Panel title="Scripts that use most CPU" flush><Table label="Scripts by CPU" rows={scripts} rowKey={(s) => s.id} href={(s) => href(`/scripts/${s.id}`)} columns={[
          { title: "Script", cell: (s) => s.name }, { title: "Executions", cell: (s) => count(s.executions), right: true },
          { title: "Not completed", cell: (s) => count(s.bad), right: true, wide: true }, { title: "CPU", cell: (s) => ms(s.cpu), right: true }, { title: "Sent", cell: (s) => bytes(s.egress), right: true, wide: true },
        ]} /></Panel>
      </div>;
    }}</Shown>
  </>;
}
