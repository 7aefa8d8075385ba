// The command palette: Ctrl-K or Cmd-K, every page and every script by a few letters.

import { useEffect, useState } from "preact/hooks";
import { call, may } from "../lib/api";
import { go, href } from "../lib/router";
import { Dialog } from "./overlay";

export interface Command { name: string; kind: string; run: () => unknown }

/** commandsOf are the ways to a script: to its page, and, of one that was asked for, to its parts. */
function commandsOf(s: { id: string; name: string; type: string }, parts: boolean): Command[] {
  const at = `/scripts/${s.id}`;
  const all: Command[] = [{ name: s.name, kind: `${s.type} script`, run: () => go(href(at)) }];
  if (!parts) return all;
  if (may("POST /scripts/{id}/executions")) all.push({ name: s.name, kind: s.type === "http" ? "test" : "run", run: () => go(href(at, { tab: "run" })) });
  all.push({ name: s.name, kind: "versions", run: () => go(href(at, { tab: "versions" })) }, { name: s.name, kind: "settings", run: () => go(href(at, { tab: "settings" })) });
  if (may("GET /executions")) all.push({ name: s.name, kind: "executions", run: () => go(href("/executions", { script_id: s.id })) });
  if (may("GET /logs/tail")) all.push({ name: s.name, kind: "live log", run: () => go(href("/logs", { script_id: s.id })) });
  return all;
}

export function Palette({ commands, onClose }: { commands: Command[]; onClose: () => void }) {
  const [text, setText] = useState("");
  const [scripts, setScripts] = useState<Command[]>([]);
  const [at, setAt] = useState(0);
  useEffect(() => {
    if (!may("GET /scripts")) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      call("GET /scripts", { query: { limit: 8, search: text.trim(), fields: "id,name,type" }, signal: abort.signal })
        .then((page) => setScripts(page.items.flatMap((s, i) => commandsOf({ id: s.id ?? "", name: s.name ?? "", type: s.type ?? "" }, text.trim() !== "" && i < 3))), () => {});
    }, text ? 120 : 0);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [text]);
  const wanted = text.trim().toLowerCase();
  const id = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(wanted)?.[0];
  const found: Command[] = [
    ...(id ? [{ name: id, kind: "execution by id", run: () => go(href(`/executions/${id}`)) }, { name: id, kind: "script by id", run: () => go(href(`/scripts/${id}`)) }] : []),
    ...commands.filter((c) => c.name.toLowerCase().includes(wanted)), ...scripts,
  ];
  const here = Math.min(at, Math.max(0, found.length - 1));
  const run = (c: Command | undefined) => { if (c) { onClose(); void c.run(); } };
  useEffect(() => { document.getElementById(`command-${here}`)?.scrollIntoView({ block: "nearest" }); }, [here]);
  return <Dialog onClose={onClose} class="palette">
    <input class="input" value={text} placeholder="Go to a page or a script, or paste an id" aria-label="Command" role="combobox" aria-expanded="true" aria-controls="commands" aria-activedescendant={found.length ? `command-${here}` : undefined}
      autofocus spellcheck={false} onInput={(e) => { setText(e.currentTarget.value); setAt(0); }}
      onKeyDown={(e) => {
        if (e.key === "ArrowDown" || e.key === "ArrowUp") { e.preventDefault(); setAt((here + (e.key === "ArrowDown" ? 1 : found.length - 1)) % Math.max(1, found.length)); }
        if (e.key === "Enter") { e.preventDefault(); run(found[here]); }
      }} />
    <ul id="commands" role="listbox" aria-label="Commands">
      {found.map((c, i) => <li role="option" id={`command-${i}`} key={`${c.kind} ${c.name}`} aria-selected={i === here} onClick={() => run(c)} onPointerMove={() => setAt(i)}><span class="clip">{c.name}</span><span class="faint">{c.kind}</span></li>)}
      {found.length ? null : <li class="faint" role="option" aria-selected="false">Nothing is called that.</li>}
    </ul>
  </Dialog>;
}
