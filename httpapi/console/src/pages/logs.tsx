import { useEffect, useRef, useState } from "preact/hooks";
import { text } from "../lib/format";
import { useQuery } from "../lib/router";
import { useTail } from "../lib/tail";
import { Button, Check, Empty, type LogRow, LogRows, PageHead, Panel, SearchInput, Select, Tag } from "../ui";

const kept = 1000;

export default function Logs() {
  const [q, set] = useQuery();
  const [rows, setRows] = useState<LogRow[]>([]);
  const [following, setFollowing] = useState(true);
  const waiting = useRef<LogRow[]>([]);
  const { state, detail } = useTail({ script_id: q.script_id, level: q.level, text: q.text }, (e) => {
    if (e.dropped) waiting.current.push({ at: e.at, level: "warn", message: `${e.dropped} events were left out` });
    // Starts and ends of executions have a level and a message as lines have.
    waiting.current.push({ at: e.at, level: e.level, message: text(e.message), stack: e.error_stack, prefix: e.script_name });
  });
  useEffect(() => { // a flood is drawn a few times a second
    const timer = setInterval(() => {
      if (!waiting.current.length) return;
      const more = waiting.current.splice(0);
      setRows((r) => [...r, ...more].slice(-kept));
    }, 200);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => { if (following) scrollTo(0, document.body.scrollHeight); }, [rows]);
  return <>
    <PageHead title="Live log"><Tag kind={state === "live" ? "good" : state === "refused" ? "bad" : "warn"}>{detail || `${state}${state === "live" ? "" : "…"}`}</Tag></PageHead>
    <div class="filters">
      <SearchInput value={q.text ?? ""} onSearch={(t) => set({ text: t })} placeholder="Text" />
      <Select aria-label="Level" value={q.level ?? ""} onChange={(level) => set({ level })} options={[["", "All levels"], ["info", "info and above"], ["warn", "warn and above"], ["error", "error"]]} />
      {q.script_id ? <Button onClick={() => set({ script_id: null })}>All scripts</Button> : null}
      <Check label="Follow" checked={following} onChange={setFollowing} />
      <Button onClick={() => setRows([])}>Clear</Button>
    </div>
    <Panel flush>{rows.length ? <LogRows rows={rows} /> : <Empty title="Nothing has happened yet.">Lines, starts and ends of executions appear here as they happen.</Empty>}</Panel>
  </>;
}
