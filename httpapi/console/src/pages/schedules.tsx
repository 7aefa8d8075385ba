import { usePages } from "../lib/data";
import { href } from "../lib/router";
import { Empty, List, PageHead, Status, Time } from "../ui";

export default function Schedules() {
  const pages = usePages("GET /schedules", {}, { every: 10_000 });
  return <>
    <PageHead title="Schedules" />
    <List pages={pages} label="Schedules" href={(s) => href(`/scripts/${s.script_id}`)} rowKey={(s) => s.script_id} empty={<Empty title="No schedules.">A script of the type scheduled has one.</Empty>} columns={[
      { title: "Script", cell: (s) => s.script_name || s.script_id },
      { title: "Cron", cell: (s) => <code>{s.cron_expression}</code> },
      { title: "Zone", cell: (s) => s.timezone, wide: true },
      { title: "Next", cell: (s) => <Time at={s.next_run_at} /> },
      { title: "Last", cell: (s) => <Time at={s.last_run_at} />, wide: true },
      { title: "Ended", cell: (s) => s.is_running ? <Status value="running" /> : s.last_run_status ? <Status value={s.last_run_status} /> : <span class="faint">–</span> },
    ]} />
  </>;
}
