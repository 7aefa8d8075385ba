import { useEffect, useState } from "preact/hooks";
import { call, may, type ScriptActivity } from "../lib/api";
import { useEvery, usePages } from "../lib/data";
import { count, percent } from "../lib/format";
import { href, useQuery } from "../lib/router";
import { triggerOf } from "../lib/script";
import { Button, ButtonLink, Empty, List, PageHead, SearchInput, Select, Status, Tag, Time } from "../ui";

export default function Scripts() {
  const [q, set] = useQuery();
  const pages = usePages("GET /scripts", { query: { search: q.search ?? "", type: q.type ?? "", status: q.status ?? "", tag: q.tag ?? "", failed: q.failed === "true" } });
  const lately = useLately((pages.items ?? []).map((s) => s.id ?? ""));
  return <>
    <PageHead title="Scripts" actions={may("POST /scripts") ? <ButtonLink to={href("/scripts/new")} kind="primary">New script</ButtonLink> : null} />
    <div class="filters">
      <SearchInput value={q.search ?? ""} onSearch={(search) => set({ search })} placeholder="Name or description" />
      <Select aria-label="Type" value={q.type ?? ""} onChange={(type) => set({ type })} options={[["", "Any type"], "http", "scheduled", "event", "oneoff", "embedded"]} />
      <Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "draft", "active", "paused", "disabled", "archived"]} />
      {may("GET /scripts/activity") ? <Button pressed={q.failed === "true"} onClick={() => set({ failed: q.failed === "true" ? null : "true" })} title="Of which a run failed yesterday or today">Failing</Button> : null}
    </div>
    <List pages={pages} label="Scripts" href={(s) => href(`/scripts/${s.id}`)} rowKey={(s) => s.id ?? ""}
      empty={<Empty title={Object.values(q).some(Boolean) ? "No script is like that." : "No scripts yet."}>{!Object.values(q).some(Boolean) && may("POST /scripts") ? "Write one, and it runs within a second." : null}</Empty>}
      columns={[
        { title: "Name", cell: (s) => <>{s.name}{s.description ? <div class="faint" style={{ fontWeight: 400 }}>{s.description}</div> : null}</> },
        { title: "Status", cell: (s) => <span class="row"><Status value={s.status ?? ""} />{s.quarantined_until ? <Tag kind="bad">quarantined</Tag> : null}</span> },
        { title: "Type", cell: (s) => s.type, wide: true },
        { title: "Trigger", cell: (s) => <code>{triggerOf(s)}</code>, wide: true },
        { title: "Failed", cell: (s) => <Failures of={lately.get(s.id ?? "")} />, right: true },
        { title: "Last run", cell: (s) => <LastRun of={lately.get(s.id ?? "")} />, wide: true },
        { title: "Version", cell: (s) => s.version, right: true, wide: true },
        { title: "Changed", cell: (s) => <Time at={s.updated_at} style="ago" />, wide: true },
      ]} />
  </>;
}

/** useLately is how the scripts of a list did lately, by their ids: asked by the hundred, and anew every so often. */
function useLately(ids: string[]): Map<string, ScriptActivity> {
  const [known, setKnown] = useState(new Map<string, ScriptActivity>());
  const ask = async () => {
    if (!may("GET /scripts/activity")) return;
    for (let i = 0; i < ids.length; i += 100) {
      const page = await call("GET /scripts/activity", { query: { ids: ids.slice(i, i + 100).join(",") } });
      setKnown((before) => new Map([...before, ...page.items.map((a): [string, ScriptActivity] => [a.script_id, a])]));
    }
  };
  const quietly = () => ask().catch(() => {}); // the list itself says what is wrong
  useEffect(() => { void quietly(); }, [ids.join()]);
  useEvery(15_000, quietly);
  return known;
}

/** Failures is the share of failures of yesterday's and today's runs. */
function Failures({ of }: { of: ScriptActivity | undefined }) {
  if (!of?.executions) return <span class="faint">–</span>;
  const title = `${count(of.failures)} of ${count(of.executions)} runs of yesterday and today, by UTC`;
  if (!of.failures) return <span class="faint" title={title}>0 %</span>;
  return <span class="row nowrap" style={{ justifyContent: "flex-end" }}>{of.failing_since ? <Tag kind="bad" title={`It fails since ${of.failing_since}, without a run that completed`}>failing</Tag> : null}<span class="bad" title={title}>{percent(of.failures, of.executions)}</span></span>;
}

function LastRun({ of }: { of: ScriptActivity | undefined }) {
  if (!of?.last_status) return <span class="faint">–</span>;
  return <span class="row nowrap"><Status value={of.last_status} /><span class="faint"><Time at={of.last_at} style="ago" /></span></span>;
}
