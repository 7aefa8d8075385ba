import { useState } from "preact/hooks";
import type { Schedule } from "../lib/api";
import { useEvery, useLoad, usePages } from "../lib/data";
import { clock, dateTime } from "../lib/format";
import { usePrefs } from "../lib/prefs";
import { href, Link } from "../lib/router";
import { Button, Dialog, Empty, Facts, List, PageHead, Panel, Shown, Status, Table, Tag, Time } from "../ui";

const day = 86_400_000;

export default function Schedules() {
  const pages = usePages("GET /schedules", {}, { every: 10_000 });
  const [shown, setShown] = useState<Schedule | null>(null);
  return <>
    <PageHead title="Schedules" />
    <div class="stack">
      {pages.items?.some((s) => s.upcoming.length) ? <Timeline schedules={pages.items} open={setShown} /> : null}
      <List pages={pages} label="Schedules" href={(s) => href(`/scripts/${s.script_id}`)} rowKey={(s) => s.script_id} empty={<Empty title="No schedules.">A script of the type scheduled has one.</Empty>} columns={[
        { title: "Script", cell: (s) => s.script_name || s.script_id },
        { title: "Cron", cell: (s) => <code class="nowrap">{s.cron_expression}</code> },
        { title: "Zone", cell: (s) => s.timezone, wide: true },
        { title: "Next", cell: (s) => s.is_active ? <Time at={s.next_run_at} /> : <Status value="paused" /> },
        { title: "Last", cell: (s) => <Time at={s.last_run_at} style="ago" />, wide: true },
        { title: "Ended", cell: (s) => s.is_running ? <Status value="running" /> : s.last_run_status ? <Status value={s.last_run_status} /> : <span class="faint">–</span> },
        { title: "", right: true, cell: (s) => <Button small onClick={() => setShown(s)} label={`Ticks of ${s.script_name}`}>Ticks</Button> },
      ]} />
    </div>
    {shown ? <Ticks of={shown} onClose={() => setShown(null)} /> : null}
  </>;
}

/** Timeline shows the ticks of the next day, as far as they are told: the next five of each schedule. */
function Timeline({ schedules, open }: { schedules: Schedule[]; open: (s: Schedule) => void }) {
  const { utc } = usePrefs();
  const [now, setNow] = useState(Date.now());
  useEvery(30_000, () => setNow(Date.now()));
  const rows = schedules.filter((s) => s.upcoming.some((at) => Date.parse(at) < now + day)).slice(0, 30);
  if (!rows.length) return null;
  return <Panel title="The next 24 hours" actions={<span class="faint">the next five ticks of each schedule</span>}>
    <div class="ticks-of-day" role="list" aria-label="Ticks of the next 24 hours">
      <div class="scale" aria-hidden="true"><span />{[0, 6, 12, 18].map((h) => <span key={h} style={{ left: `${h / 24 * 100}%` }}>{clock(new Date(now + h * 3_600_000), utc).slice(0, 5)}</span>)}</div>
      {rows.map((s) => <div class="lane" role="listitem" key={s.script_id}>
        <button type="button" class="clip" onClick={() => open(s)}>{s.script_name}</button>
        <span class="track">{s.upcoming.map((at) => Date.parse(at)).filter((at) => at < now + day).map((at) =>
          <span class="tick" key={at} title={dateTime(at, utc)} style={{ left: `${Math.max(0, (at - now) / day) * 100}%` }} />)}</span>
        <span class="visually-hidden">{s.upcoming.map((at) => dateTime(at, utc)).join(", ")}</span>
      </div>)}
    </div>
  </Panel>;
}

const kinds: Record<string, "good" | "warn" | "bad" | "info" | ""> = { started: "good", queued: "info", skipped_overlap: "warn", skipped_quota: "bad", missed: "bad", coalesced: "warn" };

/** Ticks shows what was decided on the latest ticks of a schedule: missed and skipped ones too. */
function Ticks({ of, onClose }: { of: Schedule; onClose: () => void }) {
  const loaded = useLoad("GET /scripts/{id}/schedule", { path: { id: of.script_id } }, { every: 5000 });
  return <Dialog title={`Ticks of ${of.script_name}`} onClose={onClose} large>
    <Shown of={loaded}>{(s) => <div class="stack">
      <Facts of={{ Cron: <code>{s.cron_expression}</code>, Zone: s.timezone, "While one runs": s.overlap, "Where one was missed": s.missed }} />
      <h3>To come</h3>
      {s.upcoming.length ? <div class="row">{s.upcoming.map((at) => <Tag key={at}><Time at={at} /></Tag>)}</div> : <span class="faint">None: the schedule is not active.</span>}
      <h3>Decided</h3>
      {s.ticks?.length ? <Table label="Latest ticks" rows={s.ticks} rowKey={(t) => t.scheduled_for} columns={[
        { title: "Due", cell: (t) => <Time at={t.scheduled_for} /> },
        { title: "Outcome", cell: (t) => <Tag kind={kinds[t.outcome] ?? ""}>{t.outcome}</Tag> },
        { title: "Decided", cell: (t) => <Time at={t.decided_at} style="clock" />, wide: true },
        { title: "Execution", cell: (t) => t.execution_id ? <Link to={href(`/executions/${t.execution_id}`)}>open</Link> : <span class="faint">–</span> },
      ]} /> : <span class="faint">No tick has been due yet.</span>}
    </div>}</Shown>
  </Dialog>;
}
