import { useState } from "preact/hooks";
import { type AuditEntry, isID } from "../lib/api";
import { type Pages, useLoad, usePages } from "../lib/data";
import { equal, isMembers } from "../lib/merge";
import { href, Link, type Params, useQuery } from "../lib/router";
import { Dialog, Empty, Facts, JSONBlock, List, PageHead, SearchInput, Select, Tag, Time } from "../ui";

const filtersOf = (q: Params) => ({ action: q.action ?? "", object_type: q.object_type ?? "", object_id: q.object_id ?? "" });

export default function Audit() {
  const [q] = useQuery();
  return <>
    <PageHead title="Audit log" />
    <div class="filters"><Filters /></div>
    <Entries pages={usePages("GET /audit-log", { query: filtersOf(q) })} />
  </>;
}

/** AllAudit is the operator's: changes of all tenants, of one, or the operator's own. No request of it speaks about the tenant that was entered. */
export function AllAudit() {
  const [q, set] = useQuery();
  const tenants = useLoad("GET /tenants", { query: { limit: 100 } });
  const tenant = isID(q.tenant) ? q.tenant : q.tenant === "own" ? "own" : "";
  const pages = usePages("GET /audit-log", {
    query: { ...filtersOf(q), ...(tenant === "" ? { all: true } : tenant === "own" ? {} : { tenant_id: tenant }) }, headers: { "X-Tenant": "" },
  });
  const known: [string, string][] = (tenants.data?.items ?? []).map((t) => [t.id, t.slug]);
  if (isID(tenant) && !known.some(([id]) => id === tenant)) known.unshift([tenant, pages.items?.[0]?.tenant_slug ?? tenant]);
  return <>
    <PageHead title="Audit log of all tenants" />
    <div class="filters">
      <Select aria-label="Tenant" value={tenant} onChange={(v) => set({ tenant: v })} options={[["", "All tenants and the operator"], ["own", "What the operator did"], ...known]} />
      <Filters />
    </div>
    <Entries pages={pages} ofAll />
  </>;
}

function Filters() {
  const [q, set] = useQuery();
  return <>
    <SearchInput value={q.action ?? ""} onSearch={(action) => set({ action })} placeholder="Action, such as script.update" />
    <SearchInput value={q.object_id ?? ""} onSearch={(object_id) => set({ object_id })} placeholder="Id of the object" />
  </>;
}

function Entries({ pages, ofAll = false }: { pages: Pages<AuditEntry>; ofAll?: boolean }) {
  const [shown, setShown] = useState<AuditEntry | null>(null);
  return <>
    <List pages={pages} label="Audit log" rowKey={(e) => e.id} empty={<Empty title="Nothing was changed." />} columns={[
      { title: "Action", cell: (e) => <button type="button" class="button quiet small" onClick={() => setShown(e)}><code>{e.action}</code></button> },
      ...(ofAll ? [{ title: "Tenant", cell: (e: AuditEntry) => <TenantOf entry={e} /> }] : []),
      { title: "Object", cell: (e) => e.object_type === "script" && !ofAll ? <Link to={href(`/scripts/${e.object_id}`)}>{nameOf(e)}</Link> : <span>{nameOf(e)}</span>, text: true, ...(ofAll ? { wide: true } : {}) },
      { title: "By", cell: (e) => <span class="row nowrap">{e.actor_name || "operator"}<Tag>{e.actor_role}</Tag></span>, wide: true },
      { title: "When", cell: (e) => <Time at={e.created_at} style="ago" />, right: true },
    ]} />
    {shown ? <Dialog title={shown.action} onClose={() => setShown(null)} large>
      <Facts of={{
        When: <Time at={shown.created_at} />, By: `${shown.actor_name || "operator"} (${shown.actor_role})`, Object: <code>{shown.object_type} {shown.object_id}</code>,
        Tenant: ofAll && shown.tenant_id ? <code>{shown.tenant_slug ?? ""} {shown.tenant_id}</code> : null, Request: shown.request_id ? <code>{shown.request_id}</code> : null,
      }} />
      <Changes before={shown.before} after={shown.after} />
    </Dialog> : null}
  </>;
}

/** TenantOf is the tenant of an entry, and leads to all of its entries; of a deleted one its id is left. */
function TenantOf({ entry: { tenant_id: id, tenant_slug: slug } }: { entry: AuditEntry }) {
  if (!id) return <span class="faint">none</span>;
  return <Link to={href("/all-audit", { tenant: id })}>{slug ?? <span class="row"><code>{id.slice(0, 8)}</code><Tag kind="warn">deleted</Tag></span>}</Link>;
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
