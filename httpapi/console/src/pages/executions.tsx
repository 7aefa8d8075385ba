import type { ExecutionItem } from "../lib/api";
import { usePages } from "../lib/data";
import { ms } from "../lib/format";
import { href, useQuery } from "../lib/router";
import { Button, type Column, Empty, Input, List, PageHead, Select, Status, Tag, Time } from "../ui";

export const executionColumns: Column<ExecutionItem>[] = [
  { title: "Script", cell: (e) => e.script_name || e.script_id },
  { title: "Status", cell: (e) => <span class="row nowrap"><Status value={e.status ?? ""} />{e.error_code ? <Tag kind="bad">{e.error_code}</Tag> : null}</span> },
  { title: "Trigger", cell: (e) => e.trigger_type, wide: true },
  { title: "Version", cell: (e) => e.version, right: true, wide: true },
  { title: "Duration", cell: (e) => ms(e.metrics?.duration_ms), right: true },
  { title: "Accepted", cell: (e) => <Time at={e.queued_at} /> },
];

export default function Executions() {
  const [q, set] = useQuery();
  const query = { script_id: q.script_id ?? "", status: q.status ?? "", trigger_type: q.trigger_type ?? "", error_code: q.error_code ?? "", path: q.path ?? "" };
  const pages = usePages("GET /executions", { query }, { every: 3000 });
  return <>
    <PageHead title="Executions" />
    <div class="filters">
      {q.script_id ? <Button onClick={() => set({ script_id: null })}>All scripts</Button> : null}
      <Select aria-label="Status" value={q.status ?? ""} onChange={(status) => set({ status })} options={[["", "Any status"], "pending", "running", "completed", "failed", "timeout", "cancelled"]} />
      <Select aria-label="Trigger" value={q.trigger_type ?? ""} onChange={(trigger_type) => set({ trigger_type })} options={[["", "Any trigger"], "cron", "http", "event", "manual", "api"]} />
      <Input aria-label="Error code" placeholder="Error code" value={q.error_code ?? ""} onInput={(error_code) => set({ error_code })} />
    </div>
    <List pages={pages} label="Executions" columns={executionColumns} href={(e) => href(`/executions/${e.id}`)} rowKey={(e) => e.id ?? ""} empty={<Empty title="No execution is like that." />} />
  </>;
}
