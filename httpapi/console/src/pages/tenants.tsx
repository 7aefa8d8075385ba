import { useState } from "preact/hooks";
import { call, callWithETag, may, session, type Tenant, type TenantCreate, type TenantUpdate } from "../lib/api";
import { usePages } from "../lib/data";
import { parseJSON, pretty } from "../lib/format";
import { type JSONValue, mergePatch } from "../lib/merge";
import { go, href, useQuery } from "../lib/router";
import { Button, Code, confirm, Dialog, Field, Form, Input, List, Notice, PageHead, Select, Status, TextArea, Time, toast } from "../ui";

export default function Tenants() {
  const [q, set] = useQuery();
  const pages = usePages("GET /tenants", { query: { status: q.status ?? "" } });
  const [plan, setPlan] = useState<Tenant | null>(null);
  const [making, setMaking] = useState(false);
  const turn = async (t: Tenant, status: "active" | "suspended") => {
    if (status === "suspended") { if (await suspend(t)) await pages.reload(); return; }
    const { etag } = await callWithETag("GET /tenants/{tenant}", { path: { tenant: t.id } });
    await call("PATCH /tenants/{tenant}", { path: { tenant: t.id }, body: { status }, ifMatch: etag });
    toast("Active again.");
    await pages.reload();
  };
  return <>
    <PageHead title="Tenants" actions={may("POST /tenants") ? <Button kind="primary" onClick={() => setMaking(true)}>New tenant</Button> : null} />
    <div class="filters"><Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "active", "suspended"]} /></div>
    <List pages={pages} label="Tenants" rowKey={(t) => t.id} href={(t) => href(`/tenants/${t.slug}`)} columns={[
      { title: "Slug", cell: (t) => <code>{t.slug}</code> }, { title: "Name", cell: (t) => t.name, wide: true }, { title: "Status", cell: (t) => <Status value={t.status} /> },
      { title: "Made", cell: (t) => <Time at={t.created_at} style="ago" />, wide: true },
      { title: "", right: true, cell: (t) => <span class="row nowrap end">
        {may("PATCH /tenants/{tenant}") ? <>
          <Button small onClick={() => setPlan(t)}>Plan</Button>
          {t.status === "active" ? <Button small kind="danger" onClick={() => turn(t, "suspended")}>Suspend</Button> : <Button small onClick={() => turn(t, "active")}>Activate</Button>}
        </> : null}
        <Button small onClick={async () => { await session.choose(t.slug); await go(href("/")); }}>Enter</Button>
      </span> },
    ]} />
    {plan ? <PlanOf tenant={plan} onClose={() => setPlan(null)} done={async () => { setPlan(null); await pages.reload(); }} /> : null}
    {making ? <NewTenant onClose={() => { setMaking(false); void pages.reload(); }} /> : null}
  </>;
}

/** suspend asks first, and reports whether it was done. */
export async function suspend(t: Tenant): Promise<boolean> {
  if (!await confirm(`Suspend ${t.slug}?`, { text: "Its endpoints and its keys hear 403 and nothing of it runs, until it is active again.", action: "Suspend", danger: true, typed: t.slug })) return false;
  const { etag } = await callWithETag("GET /tenants/{tenant}", { path: { tenant: t.id } });
  await call("PATCH /tenants/{tenant}", { path: { tenant: t.id }, body: { status: "suspended" }, ifMatch: etag });
  toast("Suspended.");
  return true;
}

export function PlanOf({ tenant, onClose, done }: { tenant: Tenant; onClose: () => void; done: () => unknown }) {
  const [text, setText] = useState(pretty(tenant.plan));
  return <Dialog title={`Plan of ${tenant.slug}`} onClose={onClose} large><Form onSubmit={async () => {
    const { value, error } = parseJSON(text);
    if (error) throw new Error(error);
    const { value: now, etag } = await callWithETag("GET /tenants/{tenant}", { path: { tenant: tenant.id } });
    await call("PATCH /tenants/{tenant}", { path: { tenant: tenant.id }, body: { plan: mergePatch(now.plan as JSONValue, value as JSONValue) ?? {} } as TenantUpdate, ifMatch: etag });
    toast("The plan holds from now on.");
    await done();
  }}>{({ busy, error }) => <>
    <Field label="Plan" fault={error?.fault("plan")} hint="limits, quotas, retention, egress, max_scripts, weight … What is absent has the operator's default."><TextArea value={text} onInput={setText} rows={16} /></Field>
    <div class="foot"><Button onClick={onClose}>Cancel</Button><Button type="submit" kind="primary" disabled={busy}>Save</Button></div>
  </>}</Form></Dialog>;
}

function NewTenant({ onClose }: { onClose: () => void }) {
  const [slug, setSlug] = useState("");
  const [name, setName] = useState("");
  const [key, setKey] = useState("");
  return <Dialog title="New tenant" onClose={onClose}><Form onSubmit={async () => {
    const t = await call("POST /tenants", { body: { slug, name: name || slug } as TenantCreate });
    const k = await call("POST /tenants/{tenant}/api-keys", { path: { tenant: t.id }, body: { name: "first", role: "admin" } });
    setKey(k.key);
  }}>{({ busy, error }) => key ? <>
    <Notice kind="good"><div>{slug} is there. Its first key, with the role admin, is shown this once:</div><Code text={key} label="The tenant's first key" /></Notice>
    <div class="foot"><Button onClick={onClose}>Done</Button></div>
  </> : <>
    <Field label="Slug" hint="Its name in URLs: lower case letters, digits and hyphens." fault={error?.fault("slug")}><Input value={slug} onInput={setSlug} mono /></Field>
    <Field label="Name" fault={error?.fault("name")}><Input value={name} onInput={setName} /></Field>
    <div class="foot"><Button onClick={onClose}>Cancel</Button><Button type="submit" kind="primary" disabled={busy}>Make</Button></div>
  </>}</Form></Dialog>;
}
