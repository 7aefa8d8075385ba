import { useLoad } from "../lib/data";
import { bytes, count } from "../lib/format";
import { Empty, Figure, Figures, Notice, PageHead, Panel, Shown, Status, Table, Tag, Time } from "../ui";

export default function Nodes() {
  const loaded = useLoad("GET /nodes", {}, { every: 5000 });
  return <>
    <PageHead title="Nodes" />
    <Shown of={loaded}>{({ items }) => {
      const alive = items.filter((n) => n.alive);
      const sum = (f: (n: (typeof items)[number]) => number | undefined) => alive.reduce((a, n) => a + (f(n) ?? 0), 0);
      const old = alive.filter((n) => (n.v8_age_days ?? 0) > 45).sort((a, b) => (b.v8_age_days ?? 0) - (a.v8_age_days ?? 0))[0];
      return <div class="stack">
        {old ? <Notice kind={(old.v8_age_days ?? 0) > 90 ? "bad" : "warn"}>V8 {old.v8_version} is {old.v8_age_days} days old{alive.length > 1 ? <> on {old.hostname}</> : null}: exploits of its bugs may be known. Install a newer release of jsruntime; <code>jsruntime doctor</code> says which known ones apply, and <code>--jit</code> leaves out the compilers that most of them are in.</Notice> : null}
        <Figures>
          <Figure name="Nodes" value={count(alive.length)} note={`${count(items.length - alive.length)} not heard of`} />
          <Figure name="Run" value={count(sum((n) => n.load.executions?.running))} note={`${count(sum((n) => n.load.executions?.queued))} wait for a worker`} />
          <Figure name="Workers" value={count(sum((n) => (n.load.workers?.busy ?? 0) + (n.load.workers?.idle ?? 0) + (n.load.workers?.parked ?? 0)))} note={`${count(sum((n) => n.load.workers?.busy))} busy, ${count(sum((n) => n.load.workers?.idle))} idle`} />
          <Figure name="Isolates" value={count(sum((n) => n.load.workers?.isolates))} />
          <Figure name="History to write" value={bytes(sum((n) => n.load.history?.backlog_bytes))} note={`${count(sum((n) => n.load.history?.backlog_rows))} rows`} />
        </Figures>
        <Panel flush>{items.length ? <Table label="Nodes" rows={items} rowKey={(n) => n.id} columns={[
          { title: "Node", cell: (n) => <span title={n.id}>{n.hostname}</span> },
          { title: "State", cell: (n) => <Status value={!n.alive ? "error" : n.draining ? "draining" : n.can_run ? "alive" : "warn"} /> },
          { title: "Run", cell: (n) => n.load.executions?.running ?? 0, right: true },
          { title: "Queue", cell: (n) => `${n.load.running} of ${n.load.concurrency}`, right: true, wide: true },
          { title: "Workers", cell: (n) => n.load.workers ? `${n.load.workers.busy} busy, ${n.load.workers.idle} idle, ${n.load.workers.parked} wait, ${n.load.workers.spare} spare` : "–", wide: true },
          { title: "Tenants", cell: (n) => n.load.workers?.tenants ?? 0, right: true, wide: true },
          { title: "V8", cell: (n) => <span class="row nowrap"><code>{n.v8_version}</code>{n.v8_age_days !== undefined ? <Tag kind={n.v8_age_days > 90 ? "bad" : n.v8_age_days > 45 ? "warn" : ""}>{n.v8_age_days} d old</Tag> : null}{n.jit && n.jit !== "full" ? <Tag>{n.jit}</Tag> : null}</span>, wide: true },
          { title: "Version", cell: (n) => <code>{n.version}</code>, wide: true },
          { title: "Since", cell: (n) => <Time at={n.started_at} style="ago" />, right: true },
          { title: "Heard of", cell: (n) => <Time at={n.heartbeat_at} style="ago" />, right: true, wide: true },
        ]} /> : <Empty title="No node is known." />}</Panel>
      </div>;
    }}</Shown>
  </>;
}
