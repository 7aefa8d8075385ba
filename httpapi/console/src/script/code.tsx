// The script's source: the editor, its files, what is wrong with it, and how it is saved.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem, ScriptEditor, Source } from "../editor/editor";
import { APIError, call, callWithETag, may, type Script, type Warning } from "../lib/api";
import { plural } from "../lib/format";
import { useUnsaved } from "../lib/router";
import { Button, confirm, Dialog, Failure, Field, Form, Input, Loading, Notice, toast } from "../ui";
import { Conflict } from "./conflict";
import { given, patchOf, placesOf, same, sourceOf } from "./source";

interface Clash { error: APIError; theirs: Source; script: Script; etag: string | null }

export function Code({ script, etag, onSaved }: { script: Script; etag: string | null; onSaved: (s: Script, etag: string | null) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const editor = useRef<ScriptEditor | null>(null);
  const base = useRef({ source: sourceOf(script), etag, version: script.version });
  const [, redraw] = useState(0);
  const [loaded, setLoaded] = useState<true | Error | null>(null);
  const [problems, setProblems] = useState<Problem[]>([]);
  const [warnings, setWarnings] = useState<Warning[]>([]);
  const [clash, setClash] = useState<Clash | null>(null);
  const [naming, setNaming] = useState(false);
  const [refusal, setRefusal] = useState<APIError | null>(null);
  const writable = may("PATCH /scripts/{id}") && script.status !== "archived";
  const save = useRef<() => unknown>(() => {});
  const busy = useRef(false);

  useEffect(() => {
    let gone = false;
    void import("../editor/editor").then(({ ScriptEditor }) => {
      if (gone || !box.current) return;
      editor.current = new ScriptEditor({
        parent: box.current, source: base.current.source, readOnly: !writable,
        changed: () => redraw((n) => n + 1), problems: setProblems, save: () => void save.current(),
      });
      setLoaded(true);
    }, (e: unknown) => setLoaded(e as Error));
    return () => { gone = true; editor.current?.close(); editor.current = null; };
  }, [script.id]);

  // The script was changed elsewhere on this page, or anew by another person: an untouched editor follows.
  useEffect(() => {
    const e = editor.current;
    if (etag === base.current.etag) return;
    const theirs = sourceOf(script);
    if (e && e.dirty) {
      if (same(theirs, base.current.source)) base.current = { ...base.current, etag }; // only settings have changed
      return;
    }
    base.current = { source: theirs, etag, version: script.version };
    if (e && !same(e.source, theirs)) e.replace(theirs, true);
  }, [etag, loaded]);

  const e = editor.current;
  const dirty = e?.dirty ?? false;
  useUnsaved(dirty);

  function settle(value: Script, newer: string | null, sent: Source) {
    base.current = { source: sent, etag: newer, version: value.version };
    editor.current?.saved(sent);
    setWarnings(value.warnings ?? []);
    setRefusal(null);
    setClash(null);
    onSaved(value, newer);
  }

  // refusedBy shows a refusal where it belongs: at the place in the source, or as the question what to do with another's change.
  async function refusedBy(e: unknown) {
    if (!(e instanceof APIError)) throw e;
    if (e.status === 412) {
      const { value, etag } = await callWithETag("GET /scripts/{id}", { path: { id: script.id } });
      const theirs = sourceOf(value);
      if (same(theirs, base.current.source)) { // its settings were changed, and not its source: nothing of anybody's is lost
        base.current = { ...base.current, etag };
        onSaved(value, etag);
        toast(`${e.problem.changed_by || "Somebody"} has changed the settings meanwhile. Save again to keep both.`);
        return;
      }
      setClash({ error: e, theirs, script: value, etag });
      return;
    }
    setRefusal(e);
    const places = placesOf(e, editor.current?.files ?? []);
    editor.current?.refused(places);
    editor.current?.focus();
  }

  async function saveLive(tag: string | null = base.current.etag, was: Source = base.current.source) {
    const e = editor.current;
    if (!e || busy.current || !writable) return;
    const sent = e.source;
    if (same(sent, was) && !e.dirty) { toast("Nothing is changed."); return; }
    busy.current = true;
    try {
      const { value, etag: newer } = await callWithETag("PATCH /scripts/{id}", { path: { id: script.id }, body: patchOf(was, sent), ifMatch: tag });
      settle(value, newer, sent);
      toast(`Version ${value.version} is live.`);
    } catch (error) { await refusedBy(error); } finally { busy.current = false; }
  }
  save.current = () => saveLive();

  async function saveVersion(tag: string, description: string) {
    const e = editor.current;
    if (!e) return;
    const sent = e.source;
    try {
      const v = await call("POST /scripts/{id}/versions", {
        path: { id: script.id }, ifMatch: base.current.etag, body: { ...given(sent), ...(tag ? { tag } : {}), ...(description ? { change_description: description } : {}) } as never,
      });
      setNaming(false);
      const { value, etag: newer } = await callWithETag("GET /scripts/{id}", { path: { id: script.id } });
      settle({ ...value, ...(v.warnings ? { warnings: v.warnings } : {}) }, newer, sent);
      toast(`Saved as version ${v.version_number}, which is not live. Versions has it.`);
    } catch (error) {
      if (error instanceof APIError && error.faults.some((f) => f.location.startsWith("body.tag")) || error instanceof APIError && error.code === "tag_taken") throw error;
      setNaming(false);
      await refusedBy(error);
    }
  }

  function takeTheirs() {
    if (!clash) return;
    base.current = { source: clash.theirs, etag: clash.etag, version: clash.script.version };
    editor.current?.replace(clash.theirs, true);
    onSaved(clash.script, clash.etag);
    setClash(null);
  }

  const errors = problems.filter((p) => p.severity === "error");
  return <div class="code-page">
    {clash && e ? <Conflict error={clash.error} theirs={clash.theirs} mine={e.source} onClose={() => setClash(null)} onTake={async () => takeTheirs()} onOverwrite={async () => { const c = clash; setClash(null); await saveLive(c.etag, c.theirs); }} /> : null}
    {naming ? <SaveVersion onClose={() => setNaming(false)} onSave={saveVersion} /> : null}
    {refusal ? <Notice kind="bad"><div>{refusal.message}</div>{refusal.code ? <div class="faint"><a href={`/docs/errors#${refusal.code}`} target="_blank" rel="noopener">{refusal.code}</a></div> : null}</Notice> : null}
    {warnings.length ? <Notice kind="warn">{warnings.map((w) => <div><code>{w.location}</code> {w.message}</div>)}</Notice> : null}
    <div class="editor-panel panel">
      <div class="editor-bar">
        {e ? <FileTabs editor={e} writable={writable} /> : <span class="file-tabs" />}
        <span class="row push">
          <span class={`unsaved${dirty ? " on" : ""}`} role="status">{dirty ? "Unsaved" : ""}</span>
          <Button small kind="quiet" onClick={() => editor.current?.find()} title="Find and replace (Ctrl F)">Find</Button>
          {writable && may("POST /scripts/{id}/versions") ? <Button small onClick={() => setNaming(true)} title="Saves a version that is not live">Save as version…</Button> : null}
          {writable ? <Button small kind="primary" disabled={!dirty} onClick={() => saveLive()} title="Saves and makes it live (Ctrl S)">Save</Button> : null}
        </span>
      </div>
      {loaded instanceof Error ? <Failure error={loaded} /> : null}
      {loaded === null ? <Loading /> : null}
      <div ref={box} class="editor-box" />
      <div class="editor-foot">
        {e?.service?.failed ? <span class="warn">Types are not checked: {e.service.failed}</span>
          : <span class={errors.length ? "bad" : "faint"}>{problems.length ? plural(problems.length, "problem") : "No problems"}</span>}
        <span class="faint keys"><kbd>Ctrl</kbd> <kbd>Space</kbd> completes · <kbd>F8</kbd> next problem · <kbd>Esc</kbd> then <kbd>Tab</kbd> leaves</span>
      </div>
      {problems.length ? <ul class="problems" aria-label="Problems">{problems.slice(0, 50).map((p) => <li>
        <button type="button" onClick={() => { editor.current?.open(p.file, p.from); editor.current?.focus(); }}>
          <span class={`dot ${p.severity}`} aria-hidden="true" /><code>{p.file || "source"}:{p.line}:{p.column}</code> <span>{p.message}</span> <span class="faint">{p.source}</span>
        </button></li>)}</ul> : null}
    </div>
  </div>;
}

function FileTabs({ editor, writable }: { editor: ScriptEditor; writable: boolean }) {
  const [adding, setAdding] = useState(false);
  const [name, setName] = useState("");
  const add = () => {
    const path = name.trim().replace(/^\.?\/+/, "");
    if (!path) { setAdding(false); return; }
    if (editor.files.includes("")) editor.rename("", "index.ts");
    if (!editor.files.includes(path)) editor.add(path);
    else editor.open(path);
    setAdding(false);
    setName("");
  };
  const files = editor.files;
  return <div class="file-tabs">
    <div role="tablist" aria-label="Files">{files.map((f) => <button type="button" role="tab" key={f} aria-selected={f === editor.file} tabIndex={f === editor.file ? 0 : -1} onClick={() => { editor.open(f); editor.focus(); }}
      onKeyDown={(k) => { const by = k.key === "ArrowRight" ? 1 : k.key === "ArrowLeft" ? -1 : 0; const next = files[(files.indexOf(f) + by + files.length) % files.length]; if (by && next !== undefined) { editor.open(next); (k.currentTarget.parentElement?.children[files.indexOf(next)] as HTMLElement | undefined)?.focus(); } }}>
      {f || "source"}{editor.dirtyFile(f) ? <span class="dot dirty" title="changed" /> : null}{f !== "" && f === editor.main ? <span class="faint"> main</span> : null}
    </button>)}</div>
    {writable && editor.file !== "" ? <span class="row">
      {editor.file !== editor.main ? <Button small kind="quiet" onClick={() => editor.makeMain(editor.file)} title="Its default export becomes the script">Make main</Button> : null}
      {editor.file !== editor.main ? <Button small kind="quiet" label={`Delete ${editor.file}`} onClick={async () => { if (await confirm(`Delete ${editor.file}?`, { action: "Delete", danger: true })) editor.remove(editor.file); }}>Delete</Button> : null}
    </span> : null}
    {writable ? adding
      ? <form onSubmit={(e) => { e.preventDefault(); add(); }}><input class="input mono small" aria-label="Name of the new file" placeholder="lib/tax.ts" value={name} autofocus onInput={(e) => setName(e.currentTarget.value)} onBlur={() => { if (!name) setAdding(false); }} /></form>
      : <Button small kind="quiet" label="New file" onClick={() => setAdding(true)}>+ File</Button> : null}
  </div>;
}

function SaveVersion({ onClose, onSave }: { onClose: () => void; onSave: (tag: string, description: string) => Promise<void> }) {
  const [tag, setTag] = useState("");
  const [description, setDescription] = useState("");
  return <Dialog title="Save as a version that is not live" onClose={onClose}>
    <Form onSubmit={() => onSave(tag.trim(), description.trim())}>{({ busy, error }) => <>
      <Field label="Tag" hint="Its other name, such as v1.4.0. Not required." fault={error?.fault("tag")}><Input value={tag} onInput={setTag} mono maxLength={100} /></Field>
      <Field label="What has changed" fault={error?.fault("change_description")}><Input value={description} onInput={setDescription} maxLength={2000} /></Field>
      <div class="foot"><Button onClick={onClose}>Cancel</Button><Button kind="primary" type="submit" disabled={busy}>Save version</Button></div>
    </>}</Form>
  </Dialog>;
}
