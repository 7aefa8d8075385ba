// Code, JSON, logs.

import { useState } from "preact/hooks";
import { clock, iso, plural, pretty, revealed, text } from "../lib/format";
import { usePrefs } from "../lib/prefs";
import { Button } from "./basic";
import { toast } from "./overlay";

export async function copy(value: string): Promise<void> {
  await navigator.clipboard.writeText(value);
  toast("Copied.");
}
export const CopyButton = ({ value, label = "Copy" }: { value: string; label?: string }) => <Button small kind="quiet" onClick={() => copy(value)}>{label}</Button>;

/** Code is a text as it is, with a button that copies it. */
export function Code({ text, label }: { text: string; label: string }) {
  return <div class="code"><pre tabIndex={0} role="region" aria-label={label}>{text}</pre><span class="copy"><CopyButton value={text} /></span></div>;
}

/** JSONView is a value as a tree that folds. Long lists are shown in parts, so that no value makes the page slow. */
export function JSONView({ value, label, open = 2 }: { value: unknown; label: string; open?: number }) {
  return <div class="json" role="region" aria-label={label} tabIndex={0}><div class="node"><Value value={value} open={open} /></div></div>;
}

const part = 100;
function Value({ value, open }: { value: unknown; open: number }) {
  const [unfolded, setUnfolded] = useState(open > 0);
  const [shown, setShown] = useState(part);
  if (value === null || value === undefined) return <span class="null">{String(value)}</span>;
  if (typeof value === "string") return <LongText value={value} />;
  if (typeof value !== "object") return <span class={typeof value}>{String(value)}</span>;
  const list = Array.isArray(value);
  const entries: [string, unknown][] = list ? value.map((v, i) => [String(i), v]) : Object.entries(value);
  const [from, to] = list ? "[]" : "{}";
  if (!entries.length) return <span>{from}{to}</span>;
  const toggle = <button type="button" class="fold" aria-expanded={unfolded} aria-label={unfolded ? "Fold" : "Unfold"} onClick={() => setUnfolded(!unfolded)}>{unfolded ? "▾" : "▸"}</button>;
  if (list && value.length <= part && value.every((v) => typeof v === "number" || typeof v === "boolean" || v === null)) return <span>[{value.map((v, i) => <>{i ? ", " : ""}<Value key={i} value={v} open={0} /></>)}]</span>;
  if (!unfolded) return <span>{toggle}{from} <span class="null">{plural(entries.length, list ? "item" : "member")}</span> {to}</span>;
  return <span>{toggle}{from}
    <div>{entries.slice(0, shown).map(([k, v]) => <div class="node" key={k}>{list ? null : <><span class="key">{revealed(k)}</span>: </>}<Value value={v} open={open - 1} /></div>)}
      {entries.length > shown ? <div class="node"><Button small onClick={() => setShown(shown + 10 * part)}>{plural(entries.length - shown, "more")}</Button></div> : null}</div>
    {to}</span>;
}

function LongText({ value }: { value: string }) {
  const [all, setAll] = useState(value.length <= 2000);
  return <span class="string">"{revealed(all ? value : value.slice(0, 2000))}"{all ? null : <Button small onClick={() => setAll(true)}>{plural(value.length - 2000, "more character")}</Button>}</span>;
}

/** JSONPanel is a value with a button that copies it. */
export function JSONBlock({ value, label }: { value: unknown; label: string }) {
  return <div class="code"><div class="value"><JSONView value={value} label={label} /></div><span class="copy"><CopyButton value={pretty(value)} /></span></div>;
}

export interface LogRow { at: string; level: string; message: unknown; stack?: string | null | undefined; prefix?: string | undefined }
/** LogRows are lines of a log. */
export function LogRows({ rows }: { rows: LogRow[] }) {
  const { utc } = usePrefs();
  return <div class="log">{rows.map((r, i) => <div class={`line ${r.level}`} key={i}>
    <span class="at" title={iso(r.at)}>{clock(r.at, utc, true)}</span><span class="level">{r.level}</span>
    <span class="message">{r.prefix ? <span class="faint">{r.prefix}  </span> : null}{revealed(text(r.message))}{r.stack ? `\n${revealed(r.stack)}` : ""}</span>
  </div>)}</div>;
}
