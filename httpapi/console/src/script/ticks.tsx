// When a schedule falls due, while it is being written: the node computes it as the scheduler does.

import { useEffect, useState } from "preact/hooks";
import { APIError, type SchedulePreview } from "../lib/api";
import { useLoad } from "../lib/data";
import { ago, dateTime } from "../lib/format";

/** useSettled is a value once it has not changed for so many milliseconds. */
function useSettled<T>(value: T, wait: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), wait);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

export interface Preview {
  ticks: SchedulePreview["ticks"];
  /** fault is what is wrong with a field as it was typed. */
  fault: (field: "cron_expression" | "timezone") => string | undefined;
}

/** useTicks are the next ticks of an expression in a time zone, neither of them saved. */
export function useTicks(cron: string, zone: string, skip = false): Preview {
  const typed = useSettled(`${cron}\n${zone}`, 200);
  const [expression = "", timezone = ""] = typed.split("\n");
  const loaded = useLoad("GET /schedules/preview", { query: { cron_expression: expression, timezone: timezone || "UTC" } }, { skip: skip || expression.trim() === "" });
  const refused = loaded.error instanceof APIError && !loaded.loading ? loaded.error : null;
  return {
    ticks: loaded.error || expression.trim() === "" ? [] : loaded.data?.ticks ?? [],
    fault: (field) => refused?.faults.filter((f) => f.location === `query.${field}`).map((f) => f.message).join("; ") || undefined,
  };
}

const changes: Record<SchedulePreview["ticks"][number]["clock_change"], string> = {
  none: "", skipped: "the clock skips this time: the first moment after it", repeated: "the clock shows this time twice",
};

/** Ticks shows ticks in their zone, and in UTC. */
export function Ticks({ ticks, zone }: { ticks: Preview["ticks"]; zone: string }) {
  if (!ticks.length) return null;
  return <div class="stack tight" role="status">
    <h3>Next ticks</h3>
    <ol class="ticks preview">{ticks.map((t) => <li key={t.at}>
      <time dateTime={t.at} title={`${dateTime(t.at, false)} where you are`}>{t.local.slice(0, 10)} {t.local.slice(11, 19).replace(/:00$/, "")}</time>
      <span class="faint">{zone || "UTC"} {t.local.slice(19) === "Z" ? "" : t.local.slice(19)}</span>
      {t.local.endsWith("Z") ? null : <span class="faint">{t.at.slice(0, 10) === t.local.slice(0, 10) ? "" : `${t.at.slice(0, 10)} `}{t.at.slice(11, 16)} UTC</span>}
      <span class="faint">{ago(t.at)}</span>
      {t.clock_change === "none" ? null : <span class="warn">{changes[t.clock_change]}</span>}
    </li>)}</ol>
  </div>;
}
