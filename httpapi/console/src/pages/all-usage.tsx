import { session } from "../lib/api";
import { useLoad } from "../lib/data";
import { bytes, count, ms } from "../lib/format";
import { go, href, Link, useQuery } from "../lib/router";
import { Button, Field, Input, PageHead, Panel, Shown, Table, Tag } from "../ui";

/** AllUsage is what each tenant used in a month, the costliest first. */
export default function AllUsage() {
  const [q, set] = useQuery();
  const period = /^\d{4}-\d{2}$/.test(q.period ?? "") ? q.period ?? "" : new Date().toISOString().slice(0, 7);
  const loaded = useLoad("GET /tenants/usage", { query: { period } });
  return <>
    <PageHead title="Usage of all tenants" actions={<Field label="Month"><Input type="month" value={period} onInput={(v) => set({ period: v })} /></Field>} />
    <Shown of={loaded}>{({ items }) => {
      const rows = [...items].sort((a, b) => b.cpu_ms - a.cpu_ms);
      const most = Math.max(1, rows[0]?.cpu_ms ?? 0);
      return <Panel flush><Table label="Usage of all tenants" rows={rows} rowKey={(t) => t.tenant_id} columns={[
        { title: "Tenant", cell: (t) => <span class="row">{t.slug && !t.deleted ? <Link to={href(`/tenants/${t.slug}`)}><code>{t.slug}</code></Link> : <code>{t.slug ?? t.tenant_id}</code>}{t.deleted ? <Tag kind="warn">deleted</Tag> : null}</span> },
        { title: "Executions", cell: (t) => count(t.executions), right: true },
        { title: "Not completed", cell: (t) => count(t.executions - (t.outcomes.completed ?? 0)), right: true, wide: true },
        { title: "CPU", cell: (t) => ms(t.cpu_ms), right: true },
        { title: "", cell: (t) => <span class="meter" style={{ width: "90px" }} aria-hidden="true"><span class="track"><span class="fill" style={{ display: "block", width: `${t.cpu_ms / most * 100}%` }} /></span></span>, wide: true },
        { title: "Sent", cell: (t) => bytes(t.egress_bytes), right: true, wide: true },
        { title: "Calls", cell: (t) => count(t.api_calls), right: true, wide: true },
        { title: "", right: true, cell: (t) => t.slug && !t.deleted ? <Button small onClick={async () => { await session.choose(t.slug ?? ""); await go(href("/")); }}>Enter</Button> : null },
      ]} /></Panel>;
    }}</Shown>
  </>;
}
