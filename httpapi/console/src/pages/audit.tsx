import { useState } from "preact/hooks";
import { type AuditEntry, session } from "../lib/api";
import { usePages } from "../lib/data";
import { equal, isMembers } from "../lib/merge";
import { href, Link, useQuery } from "../lib/router";
import { Dialog, Empty, Facts, JSONBlock, List, PageHead, SearchInput, Tag, Time } from "../ui";

export default function Audit() {
  const [q, set] = useQuery();
  const pages = usePages("GET /audit-log", { query: { action: q.action ?? "", object_type: q.object_type ?? "", object_id: q.object_id ?? "" } });
  const [shown, setShown] = useState<AuditEntry | null>(null);
  return <>
    <PageHead title="Audit log" />
    <div class="filters">
      <SearchInput value={q.action ?? ""} onSearch={(action) => set({ action })} placeholder="Action, such as script.update" />
      <SearchInput value={q.object_id ?? ""} onSearch={(object_id) => set({ object_id })} placeholder="Id of the object" />
    </div>
    <List pages={pages} label="Audit log" rowKey={(e) => e.id} empty={<Empty title="Nothing was changed." />} columns={[
      { title: "Action", cell: (e) => <button type="button" class="button quiet small" onClick={() => setShown(e)}><code>{e.action}</code></button> },
      { title: "Object", cell: (e) => e.object_type === "script" ? <Link to={href(`/scripts/${e.object_id}`)}>{nameOf(e)}</Link> : <span>{nameOf(e)}</span>, text: true },
      { title: "By", cell: (e) => <span class="row nowrap">{e.actor_name || "operator"}<Tag>{e.actor_role}</Tag></span>, wide: true },
      { title: "When", cell: (e) => <Time at={e.created_at} style="ago" />, right: true },
    ]} />
    {shown ? <Dialog title={shown.action} onClose={() => setShown(null)} large>
      <Facts of={{
        When: <Time at={shown.created_at} />, By: `${shown.actor_name || "operator"} (${shown.actor_role})`, Object: <code>{shown.object_type} {shown.object_id}</code>,
        Tenant: session.operator && shown.tenant_id ? <code>{shown.tenant_id}</code> : null, Request: shown.request_id ? <code>{shown.request_id}</code> : null,
      }} />
      <Changes before={shown.before} after={shown.after} />
    </Dialog> : null}
  </>;
}

const nameOf = (e: AuditEntry): string => {
  for (const side of [e.after, e.before] as ({ name?: unknown } | null)[]) if (typeof side?.name === "string") return side.name;
  return e.object_id;
};

/** Changes shows the members that differ, or the whole where there is one side only. */
function Changes({ before, after }: { before: unknown; after: unknown }) {
  if (!isMembers(before) || !isMembers(after)) return <JSONBlock value={after ?? before} label={after === null || after === undefined ? "Before" : "After"} />;
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((k) => !equal(before[k], after[k]));
  if (!names.length) return <p class="faint">Nothing that is kept has changed.</p>;
  return <div class="stack">{names.map((k) => <div class="halves" key={k}>
    <div><h3>{k}, before</h3><JSONBlock value={before[k]} label={`${k} before`} /></div>
    <div><h3>{k}, after</h3><JSONBlock value={after[k]} label={`${k} after`} /></div>
  </div>)}</div>;
}
