// Charts over time, by uPlot, which is loaded with the first of them.

import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { useDark, usePrefs } from "../lib/prefs";

export interface Series { name: string; values: (number | null)[]; color: 1 | 2 | 3 | 4 | 5; fill?: boolean; bars?: boolean }

/** Chart draws series over times (seconds since 1970). format writes a value of its axis. */
export function Chart({ times, series, format, height = 160, label }: { times: number[]; series: Series[]; format: (n: number) => string; height?: number; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const dark = useDark();
  const { utc } = usePrefs();
  useEffect(() => {
    const element = box.current;
    if (!element || !times.length) return;
    let plot: uPlot | undefined;
    let gone = false;
    const observer = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height }));
    void import("uplot").then(({ default: UPlot }) => {
      if (gone) return;
      const color = (name: string) => resolved(element, `var(--${name})`);
      const step = (times[1] ?? 0) - (times[0] ?? 0) > 0 ? (times[1] ?? 0) - (times[0] ?? 0) : 60; // bars at the edges are whole ones
      const axis = { stroke: color("faint"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
      plot = new UPlot({
        width: element.clientWidth, height, legend: { show: false }, padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6 } },
        scales: { x: { range: (_u, min, max) => series.some((s) => s.bars) ? [min - step / 2, max + step / 2] : [min, max] }, y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [{ ...axis, size: 26, gap: 4, values: (_u, ticks) => ticks.map((t) => moment(t, (times.at(-1) ?? 0) - (times[0] ?? 0), utc)) }, { ...axis, size: 58, values: (_u, ticks) => ticks.map(format) }],
        series: [{}, ...series.map((s) => ({
          label: s.name, ...(s.bars ? {} : { stroke: color(`series-${s.color}`) }), width: s.bars ? 0 : 1.5, points: s.bars ? { show: false } : { show: true, size: 5, stroke: color(`series-${s.color}`), fill: color(`series-${s.color}`), filter: (_u: uPlot, i: number) => alone(series[i - 1]?.values ?? []) },
          ...(s.fill || s.bars ? { fill: color(`series-${s.color}`) + (s.bars ? "" : "22") } : {}),
          ...(s.bars ? { paths: UPlot.paths.bars?.({ size: [0.8, 40] }) as uPlot.Series.PathBuilder } : {}),
        }))],
        hooks: { setCursor: [(u) => tell(u, element, series, format)] },
      }, [times, ...series.map((s) => s.values)] as uPlot.AlignedData, element);
      observer.observe(element);
    });
    return () => { gone = true; observer.disconnect(); plot?.destroy(); };
  }, [dark, utc, height, JSON.stringify([times, series])]);
  return <div class="chart">
    <div ref={box} role="img" aria-label={label} style={{ height: `${height}px` }} />
    <div class="legend">{series.map((s) => <span key={s.name} style={{ "--key": `var(--series-${s.color})` }}>{s.name}</span>)}</div>
  </div>;
}

/** resolved is a colour as the canvas takes it: custom properties and light-dark() are computed by the browser. */
function resolved(element: HTMLElement, value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  element.append(probe);
  const [r = 0, g = 0, b = 0] = (getComputedStyle(probe).color.match(/\d+/g) ?? []).map(Number);
  probe.remove();
  return `#${[r, g, b].map((n) => n.toString(16).padStart(2, "0")).join("")}`;
}

function tell(u: uPlot, element: HTMLElement, series: Series[], format: (n: number) => string) {
  const i = u.cursor.idx;
  const legend = element.parentElement?.querySelectorAll<HTMLElement>(".legend span");
  legend?.forEach((entry, k) => {
    const s = series[k];
    if (!s) return;
    const v = i === null || i === undefined ? null : s.values[i];
    entry.textContent = v === null || v === undefined ? s.name : `${s.name} ${format(v)}`;
  });
}

/** alone are the values with none beside them, which no line would show. */
const alone = (values: (number | null)[]): number[] => values.flatMap((v, i) => v !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null ? [i] : []);

/** moment is a time of the axis: the clock, or the day where the axis is longer than two days. */
function moment(seconds: number, length: number, utc: boolean): string {
  const zone: Intl.DateTimeFormatOptions = utc ? { timeZone: "UTC" } : {};
  const at = new Date(seconds * 1000);
  return length > 2 * 86_400 ? at.toLocaleDateString("en-GB", { day: "2-digit", month: "short", ...zone }) : at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...zone });
}
