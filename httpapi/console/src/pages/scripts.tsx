import { may } from "../lib/api";
import { usePages } from "../lib/data";
import { href, useQuery } from "../lib/router";
import { triggerOf } from "../lib/script";
import { ButtonLink, Empty, List, PageHead, SearchInput, Select, Status, Tag, Time } from "../ui";

export default function Scripts() {
  const [q, set] = useQuery();
  const pages = usePages("GET /scripts", { query: { search: q.search ?? "", type: q.type ?? "", status: q.status ?? "", tag: q.tag ?? "" } });
  return <>
    <PageHead title="Scripts" actions={may("POST /scripts") ? <ButtonLink to={href("/scripts/new")} kind="primary">New script</ButtonLink> : null} />
    <div class="filters">
      <SearchInput value={q.search ?? ""} onSearch={(search) => set({ search })} placeholder="Name or description" />
      <Select aria-label="Type" value={q.type ?? ""} onChange={(type) => set({ type })} options={[["", "Any type"], "http", "scheduled", "event", "oneoff", "embedded"]} />
      <Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "draft", "active", "paused", "disabled", "archived"]} />
    </div>
    <List pages={pages} label="Scripts" href={(s) => href(`/scripts/${s.id}`)} rowKey={(s) => s.id ?? ""}
      empty={<Empty title={Object.values(q).some(Boolean) ? "No script is like that." : "No scripts yet."}>{may("POST /scripts") ? "Write one, and it runs within a second." : null}</Empty>}
      columns={[
        { title: "Name", cell: (s) => <>{s.name}{s.description ? <div class="faint" style={{ fontWeight: 400 }}>{s.description}</div> : null}</> },
        { title: "Status", cell: (s) => <span class="row"><Status value={s.status ?? ""} />{s.quarantined_until ? <Tag kind="bad">quarantined</Tag> : null}</span> },
        { title: "Type", cell: (s) => s.type, wide: true },
        { title: "Trigger", cell: (s) => <code>{triggerOf(s)}</code>, wide: true },
        { title: "Version", cell: (s) => s.version, right: true },
        { title: "Changed", cell: (s) => <Time at={s.updated_at} style="ago" />, wide: true },
      ]} />
  </>;
}
