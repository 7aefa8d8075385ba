import type { Activity, HealthReport } from "../lib/api";
import { may, session } from "../lib/api";
import { useLoad, usePages } from "../lib/data";
import { bytes, count, ms, percent, short } from "../lib/format";
import { href, Link, useQuery } from "../lib/router";
import { Empty, Figure, Figures, Meter, Notice, PageHead, Panel, Segments, Shown, Status, Table, Tag, Time } from "../ui";
import { Chart } from "../ui/chart";
import { lineAddress, placeOf } from "../ui/stack";

const spans: [string, string][] = [["1", "1 h"], ["6", "6 h"], ["24", "24 h"], ["168", "7 d"]];

export default function Overview() {
  const [q, set] = useQuery();
  const hours = spans.some(([v]) => v === q.hours) ? q.hours ?? "1" : "1";
  const loaded = useLoad("GET /activity", { query: { hours: Number(hours) } }, { every: 10_000 });
  const health = useLoad("GET /health/report", {}, { every: 10_000, skip: !may("GET /health/report") });
  return <>
    <PageHead title={session.tenant || "Overview"} actions={<Segments label="Time" value={hours} onChange={(v) => set({ hours: v === "1" ? null : v })} items={spans} />} />
    <Shown of={loaded}>{(a) => <div class="stack">
      <Verdict health={health.data} />
      <Numbers a={a} hours={hours} health={health.data} />
      <Charts a={a} />
      <Errors a={a} />
      <div class="halves"><Quota quotas={health.data?.quotas ?? []} /><Ticks /></div>
    </div>}</Shown>
  </>;
}

/** Verdict says what is wrong now, if anything is. */
function Verdict({ health }: { health: HealthReport | undefined }) {
  if (!health?.reasons.length) return null;
  return <Notice kind={health.verdict === "failing" ? "bad" : "warn"}>{health.reasons.map((r) => <div key={r.code}>{r.message} <code class="faint">{r.code}</code></div>)}</Notice>;
}

function Numbers({ a, hours, health }: { a: Activity; hours: string; health: HealthReport | undefined }) {
  const sum = (f: (s: Activity["spans"][number]) => number) => a.spans.reduce((all, s) => all + f(s), 0);
  const runs = sum((s) => s.runs);
  const failures = sum((s) => s.failures);
  const more = a.spans.some((s) => s.more);
  const within = String(Number(hours) * 3600);
  const worst = Math.max(0, ...a.spans.map((s) => s.p99_ms));
  const median = [...a.spans].filter((s) => s.runs).map((s) => s.p50_ms).sort((x, y) => x - y);
  const waiting = health?.backlog.due ?? 0;
  const oldest = health?.backlog.oldest_due_at ? Math.max(0, new Date(health.at).getTime() - new Date(health.backlog.oldest_due_at).getTime()) : 0;
  const late = sum((s) => s.late_ticks);
  return <Figures>
    <Figure name="Runs" value={short(runs)} note={more ? "at least" : "accepted"} to={href("/executions", { within: within === "21600" ? null : within })} />
    <Figure name="Failures" value={short(failures)} bad={failures > 0} note={runs ? `${percent(failures, runs)} of them` : ""} to={href("/executions", { status: "failed" })} />
    <Figure name="Duration, median" value={median.length ? ms(median[Math.floor(median.length / 2)]) : "–"} note={`p99 at most ${ms(worst)}`} />
    <Figure name="CPU" value={ms(sum((s) => s.cpu_ms))} note="in all" />
    <Figure name="Backlog" value={short(waiting)} bad={oldest > 60_000} note={waiting ? `the oldest for ${ms(oldest)}` : "nothing waits"} to={href("/executions", { status: "pending" })} />
    <Figure name="Late ticks" value={short(late)} bad={late > 0} note="began 5 s late or more" to={href("/executions", { trigger_type: "cron" })} />
  </Figures>;
}

function Charts({ a }: { a: Activity }) {
  const times = a.spans.map((s) => new Date(s.at).getTime() / 1000);
  const of = (f: (s: Activity["spans"][number]) => number) => a.spans.map(f);
  const ran = (f: (s: Activity["spans"][number]) => number) => a.spans.map((s) => s.runs ? f(s) : null);
  const whole = (n: number) => Number.isInteger(n) ? short(n) : "";
  return <div class="charts">
    <Panel title="Runs"><Chart label="Runs and failures over time" times={times} format={whole} series={[{ name: "runs", color: 1, values: of((s) => s.runs), bars: true }, { name: "failures", color: 3, values: of((s) => s.failures), bars: true }]} /></Panel>
    <Panel title="Duration"><Chart label="Median and 99th percentile of the duration over time" times={times} format={ms} series={[{ name: "p50", color: 2, values: ran((s) => s.p50_ms) }, { name: "p99", color: 4, values: ran((s) => s.p99_ms) }]} /></Panel>
    <Panel title="CPU"><Chart label="CPU time over time" height={110} times={times} format={ms} series={[{ name: "CPU", color: 1, values: of((s) => s.cpu_ms), fill: true }]} /></Panel>
    <Panel title="Waiting"><Chart label="Waiting time and late ticks over time" height={110} times={times} format={ms} series={[{ name: "waited, p99", color: 5, values: ran((s) => s.queue_p99_ms), fill: true }]} /></Panel>
  </div>;
}

function Errors({ a }: { a: Activity }) {
  return <Panel title="Failing scripts" flush actions={<Link to={href("/executions", { status: "failed" })}>All failures</Link>}>
    {a.failure_groups.length ? <Table label="Failing scripts" rows={a.failure_groups} rowKey={(g) => `${g.last_execution_id}`} href={(g) => href(`/executions/${g.last_execution_id}`)} columns={[
      { title: "Error", cell: (g) => <><span class="error-message">{g.message || g.error_code}</span><div class="faint" style={{ fontWeight: 400 }}>{g.script_name} · version {g.version}</div></> },
      { title: "Code", cell: (g) => <Tag kind="bad">{g.error_code}</Tag>, wide: true },
      { title: "Line", cell: (g) => { const p = placeOf(g.place); return p ? <Link to={lineAddress(g.script_id, p)}><code>{g.place?.replace(/:\d+$/, "")}</code></Link> : <span class="faint">–</span>; } },
      { title: "Count", cell: (g) => count(g.count), right: true },
      { title: "Last", cell: (g) => <Time at={g.last_at} style="ago" />, right: true, wide: true },
    ]} /> : <Empty title="Nothing fails.">Failures of this time appear here, those that look alike together.</Empty>}
  </Panel>;
}

function Quota({ quotas }: { quotas: HealthReport["quotas"] }) {
  const to = new Date().toISOString().slice(0, 10);
  const usage = useLoad("GET /usage", { query: { from: to, to } }, { skip: !may("GET /usage") });
  if (!may("GET /usage")) return null;
  return <Panel title="Quota and storage"><Shown of={usage}>{(u) => <div class="stack" style={{ gap: "10px" }}>
    {quotas.map((x) => <Meter key={`${x.name} ${x.level}`} name={`${x.name} a ${x.per}`} used={x.used} limit={x.hard ?? x.soft} format={x.name.endsWith("bytes") ? bytes : x.name.endsWith("ms") ? ms : count} />)}
    <Meter name="kv" used={u.storage.kv_bytes} limit={null} format={bytes} />
    <Meter name="History" used={u.storage.history_bytes} limit={u.storage.max_history_bytes} format={bytes} />
    <Meter name="Runs today" used={u.total.executions} limit={null} format={count} />
  </div>}</Shown></Panel>;
}

function Ticks() {
  const schedules = usePages("GET /schedules", { query: { limit: 100 } }, { every: 15_000, skip: !may("GET /schedules") });
  if (!may("GET /schedules")) return null;
  const next = [...schedules.items ?? []].filter((s) => s.is_active && s.next_run_at).sort((x, y) => (x.next_run_at ?? "").localeCompare(y.next_run_at ?? "")).slice(0, 6);
  return <Panel title="Next ticks" flush actions={<Link to={href("/schedules")}>Schedules</Link>}>
    {next.length ? <Table label="Next ticks" rows={next} rowKey={(s) => s.script_id} href={(s) => href(`/scripts/${s.script_id}`)} columns={[
      { title: "Script", cell: (s) => s.script_name },
      { title: "Last", cell: (s) => s.last_run_status ? <Status value={s.last_run_status} /> : <span class="faint">–</span> },
      { title: "Next", cell: (s) => <Time at={s.next_run_at} style="ago" />, right: true },
    ]} /> : <Empty title="No tick is planned." />}
  </Panel>;
}
