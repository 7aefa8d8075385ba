// An error with its stack: each frame leads to its line, and the first one shows the code around it.

import { may } from "../lib/api";
import { useLoad } from "../lib/data";
import { revealed } from "../lib/format";
import { href, Link } from "../lib/router";

interface Place { file: string; line: number; column: number }
const frame = /([\w@./-]+\.[cm]?[jt]sx?):(\d+):(\d+)/;

export function placeOf(text: string | null | undefined): Place | null {
  const m = frame.exec(text ?? "");
  return m ? { file: m[1] ?? "", line: Number(m[2]), column: Number(m[3]) } : null;
}

/** lineAddress leads to a line of a script's source. */
export const lineAddress = (script: string, p: Place, several = true) => href(`/scripts/${script}`, { line: p.line, column: p.column, file: several && p.file.includes("/") ? p.file : null });

/** Stack shows an error's message and frames; source says where the code is, if it shall be shown. */
export function Stack({ script, version, error, stack, code = true }: { script: string; version: number; error: string; stack?: string | null | undefined; code?: boolean }) {
  const lines = (stack ?? "").split("\n");
  const frames = lines.filter((l) => /^\s+at /.test(l));
  const head = frames.length ? lines.slice(0, lines.findIndex((l) => /^\s+at /.test(l))).join("\n") : stack ?? "";
  const first = frames.map(placeOf).find(Boolean) ?? null;
  return <div class="stack-view">
    <pre class="message">{revealed(head.includes(error) ? head : [error, head].filter(Boolean).join("\n"))}</pre>
    {first && code ? <Excerpt script={script} version={version} at={first} /> : null}
    {frames.length ? <ol>{frames.map((f, i) => {
      const p = placeOf(f);
      return <li key={i}><code>{p ? <>{f.slice(0, f.indexOf(p.file)).trimStart()}<Link to={lineAddress(script, p)}>{p.file}:{p.line}:{p.column}</Link>{f.trimEnd().endsWith(")") ? ")" : ""}</> : f.trim()}</code></li>;
    })}</ol> : null}
  </div>;
}

function Excerpt({ script, version, at }: { script: string; version: number; at: Place }) {
  const { data } = useLoad("GET /scripts/{id}/versions/{version}", { path: { id: script, version } }, { skip: !may("GET /scripts/{id}/versions/{version}") });
  if (!data) return null;
  const files = data.files ?? {};
  const name = Object.keys(files).find((f) => f === at.file || f.endsWith(`/${at.file}`) || at.file.endsWith(`/${f}`));
  const source = name ? files[name] ?? "" : Object.keys(files).length ? "" : data.source ?? "";
  const all = source.split("\n");
  if (!all[at.line - 1]) return null;
  const from = Math.max(0, at.line - 4);
  return <pre class="excerpt" aria-label={`Lines around ${at.line}`}>{all.slice(from, at.line + 3).map((text, i) => {
    const n = from + i + 1;
    return <div key={n} class={n === at.line ? "here" : undefined}><span class="number">{n}</span>{revealed(text.slice(0, 400)) || " "}{n === at.line ? <div class="caret" aria-hidden="true">{" ".repeat(Math.min(400, at.column - 1))}^</div> : null}</div>;
  })}</pre>;
}
