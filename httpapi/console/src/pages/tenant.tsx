// One tenant, as its operator sees it: what it uses, what it may, and how to get into it.

import { APIError, call, callWithETag, may, session, type Tenant } from "../lib/api";
import { useLoad } from "../lib/data";
import { bytes, count, ms, percent, pretty, short } from "../lib/format";
import { go, href, Link, useQuery } from "../lib/router";
import { useState } from "preact/hooks";
import { Button, Code, confirm, Empty, Facts, Figure, Figures, Meter, Notice, PageHead, Panel, Segments, Shown, Status, Table, Time, toast } from "../ui";
import { Chart } from "../ui/chart";
import { PlanOf, suspend } from "./tenants";

const day = 86_400_000;

export default function TenantPage({ params }: { params: { tenant?: string } }) {
  const slug = params.tenant ?? "";
  const loaded = useLoad("GET /tenants/{tenant}", { path: { tenant: slug } });
  if (loaded.error instanceof APIError && loaded.error.status === 404) return <Empty title="There is no such tenant."><Link to={href("/tenants")}>All tenants</Link></Empty>;
  return <Shown of={loaded}>{(t) => <One tenant={t} reload={loaded.reload} />}</Shown>;
}

function One({ tenant: t, reload }: { tenant: Tenant; reload: () => Promise<void> }) {
  const [plan, setPlan] = useState(false);
  const activate = async () => {
    const { etag } = await callWithETag("GET /tenants/{tenant}", { path: { tenant: t.id } });
    await call("PATCH /tenants/{tenant}", { path: { tenant: t.id }, body: { status: "active" }, ifMatch: etag });
    toast("Active again.");
    await reload();
  };
  const remove = async () => {
    if (!await confirm(`Delete ${t.slug}?`, { text: "Its scripts, secrets, kv and history go with it; its usage and audit log stay. This cannot be undone.", action: "Delete", danger: true, typed: t.slug })) return;
    const { etag } = await callWithETag("GET /tenants/{tenant}", { path: { tenant: t.id } });
    await call("DELETE /tenants/{tenant}", { path: { tenant: t.id }, ifMatch: etag });
    if (session.chosen === t.slug) await session.choose("");
    toast(`${t.slug} is deleted.`);
    await go(href("/tenants"));
  };
  return <>
    <PageHead title={t.name || t.slug} crumbs={[["Tenants", href("/tenants")]]} actions={<>
      {may("PATCH /tenants/{tenant}") ? t.status === "active" ? <Button kind="danger" onClick={async () => { if (await suspend(t)) await reload(); }}>Suspend</Button> : <Button onClick={activate}>Activate</Button> : null}
      {may("DELETE /tenants/{tenant}") ? <Button kind="danger" onClick={remove}>Delete</Button> : null}
      <Button kind="primary" onClick={async () => { await session.choose(t.slug); await go(href("/")); }}>Enter</Button>
    </>}><Status value={t.status} /><code class="soft">{t.slug}</code></PageHead>
    <div class="stack">
      {t.status === "suspended" ? <Notice kind="bad">It is suspended: its endpoints answer 403, its keys are refused, and nothing of it runs.</Notice> : <Standing slug={t.slug} />}
      <UsageOf slug={t.slug} />
      <div class="halves">
        <Panel title="Plan" actions={may("PATCH /tenants/{tenant}") ? <Button small onClick={() => setPlan(true)}>Change</Button> : undefined}>
          {Object.keys(t.plan ?? {}).length ? <Code text={pretty(t.plan)} label="Plan" /> : <span class="faint">None: the operator's defaults hold.</span>}
        </Panel>
        <Panel title="Facts"><Facts of={{ Id: <code>{t.id}</code>, Made: <Time at={t.created_at} />, Settings: Object.keys(t.settings ?? {}).length ? <Code text={pretty(t.settings)} label="Settings" /> : null }} /></Panel>
      </div>
    </div>
    {plan ? <PlanOf tenant={t} onClose={() => setPlan(false)} done={async () => { setPlan(false); await reload(); }} /> : null}
  </>;
}

/** Standing is what its health report says, and how much of its quotas is used. */
function Standing({ slug }: { slug: string }) {
  const { data } = useLoad("GET /health/report", { headers: { "X-Tenant": slug } }, { every: 15_000 });
  if (!data) return null;
  return <>
    {data.reasons.length ? <Notice kind={data.verdict === "failing" ? "bad" : "warn"}>{data.reasons.map((r) => <div key={r.code}>{r.message} <code class="faint">{r.code}</code></div>)}</Notice> : null}
    {data.quotas.length ? <Panel title="Quotas"><div class="stack" style={{ gap: "10px" }}>{data.quotas.map((x) => <Meter key={`${x.name} ${x.level}`} name={`${x.name} a ${x.per}`} used={x.used} limit={x.hard ?? x.soft} format={x.name.endsWith("bytes") ? bytes : x.name.endsWith("ms") ? ms : count} />)}</div></Panel> : null}
  </>;
}

function UsageOf({ slug }: { slug: string }) {
  const [q, set] = useQuery();
  const days = [7, 30, 90].includes(Number(q.days)) ? Number(q.days) : 30;
  const first = Math.floor(Date.now() / day) * day - (days - 1) * day;
  const loaded = useLoad("GET /usage", { query: { from: new Date(first).toISOString().slice(0, 10) }, headers: { "X-Tenant": slug } }, { every: 30_000 });
  return <Shown of={loaded}>{(u) => {
    const list = Array.from({ length: days }, (_, i) => new Date(first + i * day).toISOString().slice(0, 10));
    const sums = new Map<string, { executions: number; failed: number; cpu: number; sent: number }>();
    for (const r of u.items) {
      const s = sums.get(r.day.slice(0, 10)) ?? { executions: 0, failed: 0, cpu: 0, sent: 0 };
      sums.set(r.day.slice(0, 10), { executions: s.executions + r.executions, failed: s.failed + r.executions - (r.outcomes.completed ?? 0), cpu: s.cpu + r.cpu_ms, sent: s.sent + r.egress_bytes });
    }
    const of = (f: (s: { executions: number; failed: number; cpu: number; sent: number }) => number) => list.map((d) => { const s = sums.get(d); return s ? f(s) : 0; });
    const times = list.map((d) => Date.parse(d) / 1000);
    const failed = u.total.executions - (u.total.outcomes.completed ?? 0);
    const whole = (n: number) => Number.isInteger(n) ? short(n) : "";
    return <div class="stack">
      <Figures>
        <Figure name="Executions" value={short(u.total.executions)} note={`in ${days} days`} />
        <Figure name="Not completed" value={short(failed)} bad={failed > 0} note={u.total.executions ? percent(failed, u.total.executions) : ""} />
        <Figure name="CPU" value={ms(u.total.cpu_ms)} />
        <Figure name="Sent" value={bytes(u.total.egress_bytes)} />
        <Figure name="History" value={bytes(u.storage.history_bytes)} note={u.storage.max_history_bytes ? `of ${bytes(u.storage.max_history_bytes)}` : ""} />
        <Figure name="kv" value={bytes(u.storage.kv_bytes)} />
      </Figures>
      <Panel title="Usage by day" actions={<Segments label="Days" value={String(days)} onChange={(v) => set({ days: v === "30" ? null : v })} items={[["7", "7 days"], ["30", "30 days"], ["90", "90 days"]]} />}>
        <div class="charts">
          <Chart label="Executions by day" times={times} format={whole} series={[{ name: "executions", color: 1, values: of((s) => s.executions), bars: true }, { name: "not completed", color: 3, values: of((s) => s.failed), bars: true }]} />
          <Chart label="CPU time by day" times={times} format={ms} series={[{ name: "CPU", color: 2, values: of((s) => s.cpu), bars: true }]} />
          <Chart label="Bytes sent by day" times={times} format={bytes} series={[{ name: "sent", color: 4, values: of((s) => s.sent), bars: true }]} />
        </div>
        <details><summary>As a table</summary><Table label="Usage by day" rows={[...list].reverse().filter((d) => sums.has(d))} rowKey={(d) => d} columns={[
          { title: "Day (UTC)", cell: (d) => d }, { title: "Executions", cell: (d) => count(sums.get(d)?.executions), right: true }, { title: "Not completed", cell: (d) => count(sums.get(d)?.failed), right: true },
          { title: "CPU", cell: (d) => ms(sums.get(d)?.cpu), right: true }, { title: "Sent", cell: (d) => bytes(sums.get(d)?.sent), right: true, wide: true },
        ]} /></details>
      </Panel>
    </div>;
  }}</Shown>;
}
