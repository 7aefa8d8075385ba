// Another person's change came first: what it was, and what to do.

import { useEffect, useRef, useState } from "preact/hooks";
import type { APIError } from "../lib/api";
import type { Source } from "../editor/editor";
import { Button, Dialog, Notice, Segments, Time } from "../ui";
import { pretty } from "../lib/format";

/** Diff shows two texts with what differs. */
export function Diff({ before, after, labels }: { before: string; after: string; labels: [string, string] }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let close = () => {};
    let gone = false;
    void import("../editor/diff").then(({ showDiff }) => {
      if (gone || !ref.current) return;
      close = showDiff(ref.current, before, after, labels, ref.current.clientWidth < 640).close;
    });
    return () => { gone = true; close(); };
  }, [before, after]);
  return <div class="diff">
    <div class="diff-labels"><span>{labels[0]}</span><span>{labels[1]}</span></div>
    <div ref={ref} class="diff-view" />
  </div>;
}

/** SourceDiff shows two sources file by file; files that are equal are left out. */
export function SourceDiff({ before, after, labels }: { before: Source; after: Source; labels: [string, string] }) {
  const names = [...new Set([...Object.keys(before.files), ...Object.keys(after.files)])].filter((n) => before.files[n] !== after.files[n]);
  const [chosen, setChosen] = useState("");
  const name = names.includes(chosen) ? chosen : names[0];
  if (name === undefined) return <Notice>The sources are the same.</Notice>;
  return <div class="stack tight">
    {names.length > 1 ? <Segments label="Changed files" value={name} onChange={setChosen} items={names.map((n) => [n, n || "source"])} /> : null}
    <Diff key={name} before={before.files[name] ?? ""} after={after.files[name] ?? ""} labels={labels} />
  </div>;
}

export function Conflict({ error, theirs, mine, onClose, onTake, onOverwrite }: {
  error: APIError; theirs?: Source; mine?: unknown; onClose: () => void; onTake: () => Promise<unknown>; onOverwrite: () => Promise<unknown>;
}) {
  const { changed_by: by, changed_at: at } = error.problem;
  const source = theirs && mine ? mine as Source : null;
  return <Dialog title={`Changed by ${by || "somebody else"}`} onClose={onClose} large class="conflict">
    <p>{by || "Somebody"} has changed this script {at ? <>at <Time at={at} /></> : null} since you opened it. Nothing of yours is saved yet.</p>
    {theirs && source ? <SourceDiff before={theirs} after={source} labels={[`Theirs${by ? ` (${by})` : ""}`, "Yours"]} />
      : <><h3>Your changes</h3><pre class="code-block">{pretty(mine)}</pre></>}
    <div class="row" style={{ justifyContent: "flex-end" }}>
      <Button kind="quiet" onClick={onClose}>Keep editing</Button>
      <Button onClick={onTake} title="What you have typed is lost">Take theirs</Button>
      <Button kind="danger" onClick={onOverwrite} title="Your text becomes a new version after theirs">Overwrite</Button>
    </div>
  </Dialog>;
}
