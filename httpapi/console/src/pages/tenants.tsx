import { session } from "../lib/api";
import { usePages } from "../lib/data";
import { go, href, useQuery } from "../lib/router";
import { Button, List, PageHead, Select, Status, Time } from "../ui";

export default function Tenants() {
  const [q, set] = useQuery();
  const pages = usePages("GET /tenants", { query: { status: q.status ?? "" } });
  return <>
    <PageHead title="Tenants" />
    <div class="filters"><Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "active", "suspended"]} /></div>
    <List pages={pages} label="Tenants" rowKey={(t) => t.id} columns={[
      { title: "Slug", cell: (t) => <code>{t.slug}</code> }, { title: "Name", cell: (t) => t.name }, { title: "Status", cell: (t) => <Status value={t.status} /> },
      { title: "Made", cell: (t) => <Time at={t.created_at} style="ago" />, wide: true },
      { title: "", right: true, cell: (t) => <Button small onClick={async () => { await session.choose(t.slug); await go(href("/")); }}>Enter</Button> },
    ]} />
  </>;
}
